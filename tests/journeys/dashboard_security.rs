//! The dashboard against those who are not its person: other sites, thieves of cookies, guessers of
//! codes, and requests that no browser sends. Over HTTPS, by curl and by sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use veilpost::clock::{Clock, Timestamp};
use veilpost::keyring::totp;

use crate::pop3::trusting;
use crate::smtp::Smtp;
use crate::stranger::{Answer, Stranger};
use crate::support::{Server, poll};

#[test]
fn every_page_says_what_a_browser_may_do() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    let look = |signed_in: bool| {
        for path in PAGES {
            let answer = browser.get(path);
            is_guarded(path, &answer);
            let closed = answer.status == 303 && answer.header("location").starts_with("/sign-in");
            let free = ["/", "/sign-in", "/nowhere"].contains(path);
            assert!(free || signed_in || closed || answer.status == 404, "{path}: {answer:?}");
        }
    };
    look(false);
    alice(&server, &browser);
    look(true);
    assert_eq!(browser.unlock(&server.code()).status, 303);
    look(true);
    let stylesheet = browser.get("/assets/style.css");
    assert!(stylesheet.header("cache-control").contains("immutable"));
    assert_eq!(stylesheet.header("x-content-type-options"), "nosniff");
}

/// Nothing inline, nothing from elsewhere, nothing kept.
#[track_caller]
fn is_guarded(path: &str, answer: &Answer) {
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe-eval"), "{path}: {policy}");
    // The document of a message's frame has styles of its own, and no script at all.
    let frame = path.ends_with("/html") && answer.status == 200;
    assert!(frame || !policy.contains("unsafe-inline"), "{path}: {policy}");
    assert!(!frame || !policy.contains("script-src"), "{path}: {policy}");
    for (name, value) in [
        ("strict-transport-security", "max-age=31536000"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
        ("x-frame-options", if frame { "SAMEORIGIN" } else { "DENY" }),
        ("referrer-policy", if frame { "no-referrer" } else { "same-origin" }),
    ] {
        assert_eq!(answer.header(name), value, "{path}: {name}");
    }
    assert!(answer.header("permissions-policy").contains("camera=()"), "{path}");
    for told in ["server", "x-powered-by"] {
        assert_eq!(answer.header(told), "", "{path} tells what it runs on");
    }
    let inline = ["<script>", " onclick=", " onload=", " style=\"", "<style"];
    assert!(
        frame
            || answer.header("content-type").starts_with("message/")
            || inline.iter().all(|word| !answer.body.contains(word)),
        "{path} has inline code"
    );
}

#[test]
fn the_cookie_belongs_to_this_host_and_to_the_browser_until_it_closes() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    let fields = [("login", server.fact("user")), ("password", server.fact("password"))];
    let answer = browser.post("/sign-in", &fields);
    let known = answer.cookie("__Host-veilpost-known");
    for attribute in ["HttpOnly", "Path=/", "SameSite=Strict", "Secure", "Max-Age=34560000"] {
        assert!(known.split("; ").any(|part| part == attribute), "{known}");
    }
    let cookie = answer.cookie("__Host-veilpost").to_owned();
    let (name, rest) = cookie.split_once('=').expect("a cookie");
    assert_eq!(name, "__Host-veilpost");
    let mut attributes: Vec<&str> = rest.split("; ").skip(1).collect();
    attributes.sort_unstable();
    assert_eq!(attributes, ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]);
    assert!(rest.split("; ").next().is_some_and(|value| value.len() >= 64), "{cookie}");
    // Another sign-in is another session: nobody can be given one beforehand.
    let again = browser.post("/sign-in", &fields);
    assert_ne!(again.cookie("__Host-veilpost"), cookie);
    let left = browser.submit("/mail/1", "/sign-out", &[]);
    assert!(left.cookie("__Host-veilpost").contains("Max-Age=0"));
    assert!(browser.get("/mail").header("location").starts_with("/sign-in"));
}

#[test]
fn forms_of_other_sites_do_nothing() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    alice(&server, &browser);
    assert_eq!(browser.unlock(&server.code()).status, 303);
    let csrf = browser.csrf("/mail");
    let ours = ["-H", "Sec-Fetch-Site: same-origin"];
    let origin = format!("Origin: {}", server.fact("dashboard"));
    let mail = ["/mail/1/trash", "/mail/1/delete", "/mail/1/move", "/mail/1/seen"];
    for path in ["/lock", "/sign-out", "/unlock", "/welcome"].into_iter().chain(mail) {
        for fields in [&[][..], &[("csrf", "")], &[("csrf", "x")], &[("csrf", &csrf[1..])]] {
            let answer = browser.send(path, fields, &ours);
            assert_eq!(answer.status, 403, "{path} {fields:?}: {answer:?}");
        }
        for headers in [
            &["-H", "Sec-Fetch-Site: cross-site"][..],
            &["-H", "Sec-Fetch-Site: same-site", "-H", &origin],
            &["-H", "Sec-Fetch-Site: none"],
            &["-H", "Origin: https://evil.example"],
            &["-H", "Origin: null"],
            &[],
        ] {
            let answer = browser.send(path, &[("csrf", &csrf)], headers);
            assert_eq!(answer.status, 403, "{path} {headers:?}: {answer:?}");
        }
    }
    // Another site signs nobody in as somebody else.
    let fields = [("login", server.fact("user")), ("password", server.fact("password"))];
    let answer = browser.send("/sign-in", &fields, &["-H", "Sec-Fetch-Site: cross-site"]);
    assert_eq!((answer.status, answer.header("set-cookie")), (403, ""));
    assert!(browser.is_open(), "nothing was done");
    assert!(browser.get("/mail?folder=trash").body.contains("The trash is empty"));
    // A browser without Fetch Metadata names its origin.
    assert_eq!(browser.send("/lock", &[("csrf", &csrf)], &["-H", &origin]).status, 303);
    assert!(!browser.is_open());
}

#[test]
fn a_form_of_one_session_is_no_form_of_another() {
    let server = Server::demo();
    let (Some(one), Some(other)) = (Stranger::open(&server, "one"), Stranger::open(&server, "other")) else {
        return;
    };
    alice(&server, &one);
    alice(&server, &other);
    let foreign = one.csrf("/mail/1");
    assert_eq!(other.post("/mail/1/trash", &[("csrf", &foreign)]).status, 403);
}

#[test]
fn a_stolen_cookie_opens_nothing_elsewhere() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    alice(&server, &browser);
    assert_eq!(browser.unlock(&server.code()).status, 303);
    assert!(browser.get("/mail/1").body.contains("85,000 euros"));
    let thief = browser.as_agent("thief/1");
    for path in ["/mail", "/mail/1", "/mail/1/source", "/search?q=euros"] {
        assert!(thief.get(path).header("location").starts_with("/sign-in"), "{path}");
    }
    // The same browser at another address: signed in still, but locked there.
    let elsewhere = browser.at_address("127.0.0.2");
    let page = elsewhere.get("/mail/1");
    assert!(page.status == 200 && !page.body.contains("85,000"), "{page:?}");
    assert!(elsewhere.get("/mail/1/source").header("location").starts_with("/unlock"));
    assert!(browser.is_open(), "the person themselves is not disturbed");
}

#[test]
fn the_way_back_leads_nowhere_else() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    let foreign = [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "javascript:alert(1)",
        "/mail\r\nSet-Cookie: x=y",
        " https://evil.example",
        "@evil.example",
    ];
    for to in foreign {
        let fields = [("login", server.fact("user")), ("password", server.fact("password")), ("to", to)];
        let answer = browser.post("/sign-in", &fields);
        assert_eq!((answer.status, answer.header("location")), (303, "/mail"), "{to:?}");
    }
    assert_eq!(browser.unlock(&server.code()).status, 303);
    for to in foreign {
        let to: String = url::form_urlencoded::byte_serialize(to.as_bytes()).collect();
        assert_eq!(browser.get(&format!("/unlock?to={to}")).header("location"), "/mail", "{to}");
        let signed_out = browser.get(&format!("/sign-in?to={to}&said=%3Cb%3E"));
        assert!(signed_out.body.contains("name=\"to\" value=\"/mail\"") && !signed_out.body.contains("<b>"));
    }
}

#[test]
fn a_code_opens_once_and_only_near_its_time() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    alice(&server, &browser);
    // Early in a step, so that a minute's skew means the same at both ends.
    let now = poll("the beginning of a step", || {
        let now = Clock::system().now().unix();
        (now % 30 < 20).then_some(now)
    });
    let code = |skew: i64| {
        totp::code_for(server.fact("totp_seed"), Timestamp::from_unix(now + skew)).expect("a seed")
    };
    for skew in [-90, 90] {
        assert_eq!(browser.unlock(&code(skew)).status, 403, "{skew}");
    }
    for skew in [-30, 30] {
        assert_eq!(browser.unlock(&code(skew)).status, 303, "{skew}");
        assert!(browser.is_open());
        assert_eq!(browser.submit("/mail", "/lock", &[]).status, 303);
        assert_eq!(browser.unlock(&code(skew)).status, 403, "a code opens twice");
        // A later code makes the earlier ones void.
        assert!(!browser.is_open());
    }
    assert_eq!(browser.unlock(&code(0)).status, 403, "from before the last");
}

#[test]
fn of_parallel_unlocks_with_one_code_one_wins() {
    let server = Server::demo();
    let tabs: Option<Vec<Stranger>> =
        (0..6).map(|number| Stranger::open(&server, &format!("tab{number}"))).collect();
    let Some(tabs) = tabs else { return };
    let tokens: Vec<String> = tabs
        .iter()
        .map(|browser| {
            alice(&server, browser);
            browser.csrf("/unlock")
        })
        .collect();
    let (code, start) = (server.code(), Arc::new(Barrier::new(tabs.len())));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let tries = tabs.iter().zip(&tokens).map(|(browser, csrf)| {
            let (code, start) = (&code, start.clone());
            scope.spawn(move || {
                start.wait();
                browser.post("/unlock", &[("csrf", csrf), ("code", code)]).status
            })
        });
        tries.collect::<Vec<_>>().into_iter().map(|one| one.join().expect("no panic")).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 303).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [303, 403, 429].contains(status)), "{statuses:?}");
    assert_eq!(tabs.iter().filter(|browser| browser.is_open()).count(), 1);
}

#[test]
fn guessing_locks_and_a_right_password_does_not_forgive_it() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    alice(&server, &browser);
    let mut statuses = Vec::new();
    for guess in 0..6 {
        statuses.push(browser.unlock(&format!("00000{guess}")).status);
        // Whoever has the password may sign in as often as they like.
        alice(&server, &browser);
    }
    assert_eq!((statuses[0], statuses[5]), (403, 429), "{statuses:?}");
    let right = browser.unlock(&server.code());
    assert_eq!(right.status, 429, "a right code waits too");
    assert!(right.body.contains("Too many failed attempts."));
    let passwords: Vec<u16> = (0..6)
        .map(|_| browser.post("/sign-in", &[("login", server.fact("user")), ("password", "wrong")]).status)
        .collect();
    assert_eq!((passwords[0], passwords[5]), (403, 429), "{passwords:?}");
    // Who is not there is told the same.
    let nobody = browser.post("/sign-in", &[("login", "nobody@demo.example"), ("password", "wrong")]);
    assert_eq!(nobody.status, 403);
    assert!(nobody.body.contains("The address or the password is wrong."));
}

#[test]
fn a_lock_breaks_off_a_download() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    let mut message = b"Subject: large\r\n\r\n".to_vec();
    message.resize(LARGE, b'x');
    message.extend_from_slice(b"\r\n");
    Smtp::connect(&server).deliver(server.fact("address"), &message);
    alice(&server, &browser);
    assert_eq!(browser.unlock(&server.code()).status, 303);
    let csrf = browser.csrf("/mail");
    let file = server.scratch().join("large.eml");
    let mut download = browser
        .curl("/mail/7/source")
        .args(["--limit-rate", "500K", "-o"])
        .arg(&file)
        .stderr(Stdio::null())
        .spawn()
        .expect("curl runs");
    let size = || std::fs::metadata(&file).map_or(0, |file| file.len());
    poll("the beginning of the download", || (size() > 0).then_some(()));
    assert_eq!(browser.post("/lock", &[("csrf", &csrf)]).status, 303);
    let ended = poll("the end of the download", || download.try_wait().expect("a child of ours"));
    assert!(!ended.success(), "curl takes it for whole");
    assert!(size() < LARGE as u64, "everything came");
}

#[test]
fn requests_that_could_be_read_in_two_ways_are_refused() {
    let server = Server::demo();
    if Stranger::open(&server, "nobody").is_none() {
        return;
    }
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let ask = |head: &str| {
        let request = format!("POST /sign-in HTTP/1.1\r\nHost: localhost\r\n{head}\r\n0\r\n\r\n{smuggled}");
        let (answers, closed) = raw(&server, request.as_bytes());
        assert!(closed && answers.matches("HTTP/1.1 ").count() <= 1, "{head:?}: {answers}");
        answers
    };
    for head in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 6\r\n",
        "Content-Length: +5\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "X: a\r\n folded: Content-Length: 5\r\n",
        "X\u{b}: a\r\n",
    ] {
        let answer = ask(head);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{head:?}: {answer}");
    }
    // Chunks count, the length does not, and nothing more is read (RFC 9112 §6.1).
    for head in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    ] {
        let answer = ask(head);
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.1 403 "), "{answer}");
    }
    for line in ["GET /mail HTTP/9.9", "GET  /mail HTTP/1.1", "GET /mail", "\0GET /mail HTTP/1.1"] {
        let (answers, _) = raw(&server, format!("{line}\r\nHost: localhost\r\n\r\n").as_bytes());
        assert!(answers.is_empty() || answers.contains(" 400 ") || answers.contains(" 505 "), "{answers}");
    }
    let long = format!("GET /mail HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    let (answers, _) = raw(&server, long.as_bytes());
    assert!(answers.is_empty() || answers.contains(" 431 "), "{answers}");
}

#[test]
fn paths_lead_to_nothing_but_pages() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    alice(&server, &browser);
    assert_eq!(browser.unlock(&server.code()).status, 303);
    for path in [
        "/assets/../veilpost.toml",
        "/assets/..%2f..%2fveilpost.toml",
        "/assets/%2e%2e/style.css",
        "/assets/....//style.css",
        "/assets/style.css%00.js",
        "/assets//etc/passwd",
        "/mail/1/parts/../../../keys/root.key",
        "/mail/1/parts/..%2f..%2fkeys%2froot.key",
        "/mail/1/parts/99",
        "/mail/1/parts/-1",
        "/mail/1/parts/18446744073709551616",
        "/mail/-1",
        "/mail/4294967296",
        "/mail/0",
        "/mail/1%2fsource",
        "/m/../mail",
        "/m/00",
        "/jobs/..",
    ] {
        let answer = browser.get(path);
        assert!([400, 404].contains(&answer.status), "{path}: {answer:?}");
        assert!(!answer.body.contains("root:") && !answer.body.contains("hostname"), "{path}");
        is_guarded(path, &answer);
    }
}

#[track_caller]
fn alice(server: &Server, browser: &Stranger) {
    browser.sign_in(server.fact("user"), server.fact("password"));
}

/// Everything that the server says to these octets, and whether it hangs up then.
fn raw(server: &Server, octets: &[u8]) -> (String, bool) {
    let port = server.fact("dashboard").rsplit(':').next().expect("a port");
    let socket = TcpStream::connect(format!("127.0.0.1:{port}")).expect("the dashboard listens");
    socket.set_read_timeout(Some(Duration::from_secs(2))).expect("a socket has a timeout");
    let name = "localhost".try_into().expect("a host name");
    let tls = ClientConnection::new(Arc::new(trusting(server.ca_file())), name).expect("a TLS client");
    let mut stream = StreamOwned::new(tls, socket);
    stream.write_all(octets).expect("the server takes them");
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    let closed = loop {
        match stream.read(&mut piece) {
            Ok(0) => break true,
            Ok(read) => said.extend_from_slice(&piece[..read]),
            Err(error) => break !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    };
    (String::from_utf8_lossy(&said).into_owned(), closed)
}

/// Octets of a message that no buffer on its way holds.
const LARGE: usize = 16 << 20;
const PAGES: &[&str] = &[
    "/",
    "/sign-in",
    "/welcome",
    "/welcome/recovery",
    "/unlock",
    "/mail",
    "/mail?folder=trash",
    "/mail?folder=archive",
    "/mail/1",
    "/mail/4/html",
    "/mail/1/parts/1",
    "/mail/1/source",
    "/mail/1/compare",
    "/mail/1/print",
    "/m/00000000000000000000000000",
    "/search",
    "/search?q=euros",
    "/jobs/index",
    "/views",
    "/audit",
    "/admin",
    "/account",
    "/nowhere",
];

/// Cases 040 and 041: codes as keyboards type them, a password in both Unicode forms.
#[test]
fn codes_and_passwords_are_taken_as_keyboards_type_them() {
    let server = Server::demo();
    let Some(browser) = Stranger::open(&server, "alice") else { return };
    alice(&server, &browser);
    let code = server.code();
    let (one, other) = code.split_at(3);
    assert_eq!(browser.unlock(&format!("{one}\u{a0}{other}")).status, 303);
    let same = browser.submit("/account", "/lock", &[]);
    assert_eq!(same.status, 303);
    let again = browser.unlock(&code);
    assert_eq!(again.status, 403);
    assert!(again.body.contains("was used before"), "{}", again.body);
    let wide: String =
        server.code().chars().filter_map(|digit| char::from_u32(u32::from(digit) + 0xfee0)).collect();
    assert_eq!(browser.unlock(&wide).status, 303);
    for weak in ["too short", "password1234"] {
        let refused =
            browser.submit("/account/password", "/account/password", &[("password", weak), ("again", weak)]);
        assert_eq!(refused.status, 422, "{weak}");
    }
    let typed = "Ka\u{308}se und Bro\u{308}tchen";
    let set =
        browser.submit("/account/password", "/account/password", &[("password", typed), ("again", typed)]);
    assert_eq!(set.status, 303);
    for password in ["K\u{e4}se und Br\u{f6}tchen", typed] {
        let signed = browser.post("/sign-in", &[("login", server.fact("user")), ("password", password)]);
        assert_eq!(signed.status, 303, "{password:?}");
    }
    let page = browser.get("/sign-in");
    assert!(page.body.contains("Lost password or phone?"));
    let hour_ago = Timestamp::from_unix(Clock::system().now().unix() - 3600);
    let old = totp::code_for(server.fact("totp_seed"), hour_ago).expect("a seed");
    let off = browser.unlock(&old);
    assert_eq!(off.status, 403);
    assert!(
        off.body.contains("the clock of your phone is about") && off.body.contains("behind"),
        "{}",
        off.body
    );
}
