//! What a page shows of any octets: no panic, and nothing that a browser would fetch or run.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilpost::reading::{self, Remote, attachment, content_disposition, file_name, read, text_to_html};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    show(bytes);
    // The same octets as the body of a message, so that the cleaner is reached at once.
    show(&[&b"MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"[..], bytes].concat());
    let html = text_to_html(&text);
    assert!(!html.contains("<script") && !html.contains("<img"), "text is escaped");
    let name = file_name(&text);
    assert!(!name.is_empty() && !name.contains(['/', '\\', '\0', '\n']));
    assert_eq!(file_name(&name), name, "a safe name stays");
    assert!(content_disposition(&text).bytes().all(|octet| (b' '..=b'~').contains(&octet)));
    let _ = reading::escaped(&text);
});

fn show(octets: &[u8]) {
    let reading = read(octets);
    if let Some(html) = &reading.html {
        let cleaned = html.clean(Remote::Blocked);
        let body = cleaned.document.split_once("</head><body>").map_or("", |(_, body)| body);
        for opening in ["<script", "<svg", "<math", "<style", "<iframe", "<form", "<meta"] {
            assert!(!body.contains(opening), "{opening} is gone");
        }
        let _ = html.clean(Remote::Allowed);
        let _ = html.to_text();
    }
    for one in &reading.attachments {
        assert!(attachment(octets, one.number).is_some(), "what is listed is there");
    }
}
