//! Questions to a person. Each answer is checked where it is given, and asked again if it will not do.

use std::io::{self, BufRead, Write};

use super::{CertificateFrom, Reception};
use crate::names::parse_domain;

/// Somebody who answers.
pub trait Ask {
    /// Asks for one line; empty if there was nothing on it, an error at the end of the input.
    fn ask(&mut self, question: &str) -> io::Result<String>;
    /// Says something.
    fn tell(&mut self, text: &str) -> io::Result<()>;
}

/// A person at a terminal, or a file with answers.
pub struct Terminal<R, W> {
    input: R,
    output: W,
}

impl<R: BufRead, W: Write> Terminal<R, W> {
    /// Reads answers from `input`, writes questions to `output`.
    pub fn new(input: R, output: W) -> Self {
        Self { input, output }
    }
}

impl<R: BufRead, W: Write> Ask for Terminal<R, W> {
    fn ask(&mut self, question: &str) -> io::Result<String> {
        write!(self.output, "{question} ")?;
        self.output.flush()?;
        let mut line = String::new();
        match io::Read::take(&mut self.input, MAX_ANSWER).read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim().to_owned()),
        }
    }

    fn tell(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.output, "{text}")
    }
}

pub(super) fn hostname(ask: &mut dyn Ask) -> io::Result<String> {
    until(ask, "This server's full domain name, as in mail.example.org:", |answer| {
        let name = parse_domain(answer).ok().filter(|name| name.contains('.'));
        name.ok_or("That is not a full domain name.")
    })
}

pub(super) fn reception(ask: &mut dyn Ask) -> io::Result<Reception> {
    ask.tell(RECEPTIONS)?;
    until(ask, "a or b [a]:", |answer| match answer {
        "a" | "" => Ok(Reception::Direct),
        "b" => Ok(Reception::BehindMailServer),
        _ => Err("Please answer a or b."),
    })
}

pub(super) fn certificate(ask: &mut dyn Ask) -> io::Result<CertificateFrom> {
    ask.tell(CERTIFICATES)?;
    let answer = until(ask, "a, b or c [a]:", |answer| match answer {
        "" => Ok("a".to_owned()),
        "a" | "b" | "c" => Ok(answer.to_owned()),
        _ => Err("Please answer a, b or c."),
    })?;
    match answer.as_str() {
        "b" => Ok(CertificateFrom::Files {
            certificate: path(ask, "Path of the certificate chain (PEM):")?.into(),
            key: path(ask, "Path of its private key (PEM):")?.into(),
        }),
        "c" => {
            let contact = ask.ask("An address that Let's Encrypt may write to, or nothing:")?;
            Ok(CertificateFrom::Acme { contact: (!contact.is_empty()).then_some(contact) })
        }
        _ => Ok(CertificateFrom::SelfSigned),
    }
}

fn path(ask: &mut dyn Ask, question: &str) -> io::Result<String> {
    until(ask, question, |answer| match std::fs::metadata(answer) {
        Ok(found) if found.is_file() => {
            Ok(std::path::absolute(answer)
                .map_or(answer.to_owned(), |path| path.to_string_lossy().into_owned()))
        }
        _ => Err("There is no such file."),
    })
}

fn until<T>(
    ask: &mut dyn Ask,
    question: &str,
    parse: impl Fn(&str) -> Result<T, &'static str>,
) -> io::Result<T> {
    for _ in 0..MAX_TRIES {
        match parse(&ask.ask(question)?) {
            Ok(answer) => return Ok(answer),
            Err(remedy) => ask.tell(remedy)?,
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "no usable answer"))
}

const RECEPTIONS: &str = "\
How does mail come in?
  a) straight from other servers, by SMTP on port 25
  b) from a mail server on this machine, by LMTP";
const CERTIFICATES: &str = "\
Where does the TLS certificate come from?
  a) make one now; mail clients must be told to trust it
  b) files that I keep renewed
  c) Let's Encrypt, whose terms I have read and agree to (needs port 80)";
/// Octets of an answer.
const MAX_ANSWER: u64 = 4096;
/// A person finds an answer sooner; a script that does not has gone wrong.
const MAX_TRIES: usize = 10;

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Answers prepared beforehand, and what was asked and told.
    pub(crate) struct Script {
        answers: std::vec::IntoIter<String>,
        pub(crate) told: String,
    }

    impl Script {
        pub(crate) fn new(answers: &[&str]) -> Self {
            let answers: Vec<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
            Self { answers: answers.into_iter(), told: String::new() }
        }

        /// Fails at the first question.
        pub(crate) fn silent() -> Self {
            Self::new(&[])
        }
    }

    impl Ask for Script {
        fn ask(&mut self, question: &str) -> io::Result<String> {
            self.told.push_str(question);
            self.answers.next().ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
        }
        fn tell(&mut self, text: &str) -> io::Result<()> {
            self.told.push_str(text);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::Script;
    use super::*;

    #[test]
    fn a_terminal_is_asked_line_by_line() {
        let mut output = Vec::new();
        let mut terminal = Terminal::new(&b"no\n mail.example.org \nb\n"[..], &mut output);
        assert_eq!(hostname(&mut terminal).expect("answered"), "mail.example.org");
        assert_eq!(reception(&mut terminal).expect("answered"), Reception::BehindMailServer);
        assert_eq!(
            certificate(&mut terminal).expect_err("no more input").kind(),
            io::ErrorKind::UnexpectedEof
        );
        let output = String::from_utf8(output).expect("text");
        assert!(output.contains("not a full domain name"), "{output}");
    }

    #[test]
    fn files_must_be_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let there = folder.path().join("a.pem");
        std::fs::write(&there, "x").expect("writes");
        let path = there.to_str().expect("UTF-8");
        let mut script = Script::new(&["b", "/nowhere/at/all", path, path]);
        let wanted = CertificateFrom::Files { certificate: there.clone(), key: there.clone() };
        assert_eq!(certificate(&mut script).expect("answered"), wanted);
    }

    #[test]
    fn a_script_that_never_answers_well_ends() {
        assert!(reception(&mut Script::new(&["x"; 20])).is_err());
    }
}
