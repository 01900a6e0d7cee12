//! Any text as a policy: it loads, or says what is wrong and where; what loads differs in nothing from
//! itself, and masks a message without a word of what it seals.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilpost::plan::trial::{Circumstances, Trial};
use veilpost::policy::{diff, parse};

fuzz_target!(|text: &str| {
    match parse(text, "fuzz") {
        Ok(policy) => {
            assert!(!diff(&policy, &policy).loosens(), "a policy reveals no more than itself");
            policy.notes();
            let trial = Trial::new(&policy, MESSAGE, &Circumstances::default());
            assert_eq!(trial.explain().len(), trial.anatomy().atoms().len());
            assert_eq!(trial.view(), trial.view(), "a view never changes");
        }
        Err(errors) => {
            assert!(!errors.problems.is_empty());
            let lines = text.split('\n').count();
            assert!(errors.problems.iter().all(|problem| (1..=lines).contains(&problem.line)));
        }
    }
});

const MESSAGE: &[u8] = b"From: Ann <ann@a.example>\r\nSubject: one\r\nDate: Thu, 07 Mar 2024 08:14:02 +0100\r\n\
    MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n\
    <p>card 4111 1111 1111 1111</p>\r\n--b\r\nContent-Type: application/pdf; name=a.pdf\r\n\
    Content-Transfer-Encoding: base64\r\n\r\nJVBERi0xLjQK\r\n--b--\r\n";
