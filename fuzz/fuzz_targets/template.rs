//! Any text as a template, any value in its variables: what is rendered has no control characters but
//! the author's line ends, and ends in time.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilpost::policy::Template;

fuzz_target!(|input: (&str, &str)| {
    let (text, value) = input;
    let Ok(template) = Template::parse(text) else { return };
    let rendered = template.render(|_| Some(value.to_owned()));
    assert!(rendered.chars().all(|letter| letter == '\n' || !letter.is_control()));
    assert!(!template.is_one_line() || !rendered.contains('\n'), "only the author makes lines");
    assert!(rendered.chars().count() <= LONGEST);
    assert_eq!(template, Template::parse(text).expect("it parsed before"));
});

/// Characters of a rendered template, as its documentation says.
const LONGEST: usize = 8_000;
