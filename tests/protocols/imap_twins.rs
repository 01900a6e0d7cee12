//! Letters in pairs that differ only in what a shipped policy hides: other fields, other words below what is
//! shown, other files; where the policy does not tell how many there are, another number of them.
//! The words *heron* and *otter* stand in hidden places alone.

/// Which letter of a pair.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Twin {
    One,
    Two,
}

impl Twin {
    fn pick<T>(self, one: T, two: T) -> T {
        if self == Self::One { one } else { two }
    }

    fn secret(self) -> &'static str {
        self.pick("heron", "otter")
    }
}

/// The letters of a mailbox.
pub fn letters(policy: &str, twin: Twin) -> Vec<Vec<u8>> {
    let shows = Shows::of(policy);
    let plain = Letter { number: 1, from: "Ann Writer <ann@writer.example>", answers: None, shows, twin };
    let html = Letter { number: 2, from: "Bob Other <bob@other.example>", ..plain };
    let answer = Letter { number: 3, from: "ann@writer.example", answers: Some(1), ..plain };
    let machine = Letter { number: 4, from: "No Reply <no-reply@machine.example>", ..plain };
    let files = Letter { number: 5, from: "Carol <carol@writer.example>", answers: Some(3), ..plain };
    let letters = [
        plain.composed(Body::Plain),
        html.composed(Body::Alternative),
        answer.composed(Body::Plain),
        machine.composed(Body::Plain),
        files.composed(Body::Files),
        Letter { number: 6, ..html }.composed(Body::Files),
    ];
    letters.into_iter().map(String::into_bytes).collect()
}

/// What a shipped policy shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Shows {
    Domain,
    Header,
    Invitations,
    Excerpt,
    Text,
    Everything,
}

impl Shows {
    fn of(policy: &str) -> Self {
        match policy {
            "sender-and-date" => Self::Domain,
            "headers-only" => Self::Header,
            "calendar-only" => Self::Invitations,
            "excerpt" => Self::Excerpt,
            "attachments-sealed" => Self::Text,
            "everything" => Self::Everything,
            other => panic!("a new policy, {other}: say here what it shows"),
        }
    }
}

enum Body {
    Plain,
    Alternative,
    Files,
}

#[derive(Clone, Copy)]
struct Letter {
    number: u32,
    from: &'static str,
    answers: Option<u32>,
    shows: Shows,
    twin: Twin,
}

impl Letter {
    fn composed(self, body: Body) -> String {
        // One is a plain text, its twin has files: where only the fact of a letter is shown.
        let body = match body {
            _ if self.shows == Shows::Everything => Body::Files,
            Body::Plain if self.shows <= Shows::Header => self.twin.pick(Body::Plain, Body::Files),
            body => body,
        };
        let content = match body {
            Body::Plain => text_part("plain", &self.text()),
            Body::Alternative => {
                let parts = [text_part("plain", &self.text()), text_part("html", &self.html())];
                multipart("alternative", self.boundary("alt"), &parts)
            }
            Body::Files => {
                let mut parts = vec![text_part("plain", &self.text())];
                parts.extend(self.files());
                multipart("mixed", self.boundary("mix"), &parts)
            }
        };
        self.hidden_fields() + &self.shown_fields() + "MIME-Version: 1.0\r\n" + &content
    }

    fn shown_fields(self) -> String {
        let Self { number, from, .. } = self;
        let mut fields = format!("From: {from}\r\nDate: 0{number} Nov 2026 10:00:00 +0000\r\n");
        fields += &format!("Message-ID: <{number}@writer.example>\r\n");
        if let Some(parent) = self.answers {
            fields += &format!(
                "In-Reply-To: <{parent}@writer.example>\r\nReferences: <{parent}@writer.example>\r\n"
            );
        }
        if matches!(self.shows, Shows::Header | Shows::Excerpt | Shows::Text | Shows::Everything) {
            fields += &format!(
                "To: reader@law.example\r\nCc: c{number}@other.example\r\nSubject: shown invoice {number}\r\n"
            );
        }
        fields
    }

    fn hidden_fields(self) -> String {
        if self.shows == Shows::Everything {
            return String::new();
        }
        let secret = self.twin.secret();
        let mut fields =
            format!("X-Secret: {secret}\r\nBcc: {secret}@hidden.example\r\nUser-Agent: {secret}\r\n");
        for hop in 0..self.twin.pick(1, 7) {
            fields += &format!(
                "Received: from {secret}{hop}.example by mail.law.example; Tue, 3 Nov 2026 10:00:00 +0000\r\n"
            );
        }
        match self.shows {
            Shows::Domain => {
                fields += &format!(
                    "Subject: {}\r\nTo: {secret}@hidden.example\r\n",
                    self.twin.pick("a heron", "two otters, and what they did")
                )
            }
            Shows::Invitations => fields += &format!("Subject: {secret}\r\n"),
            _ => {}
        }
        if !matches!(self.shows, Shows::Text) {
            fields += &format!("List-Id: {secret} <{secret}.example>\r\n");
        }
        fields
    }

    fn text(self) -> String {
        let hidden = format!("{} ", self.twin.secret()).repeat(self.twin.pick(3, 400) / 40 + 1);
        let hidden = format!("{hidden}\r\n").repeat(self.twin.pick(1, 30));
        // Written out, so that both would be told from each other were they not redacted.
        let codes = self.twin.pick("card 4111 1111 1111 1111", "card 5500 0000 0000 0004");
        let shown = "shown one, in a café\r\nshown two\r\nshown three\r\nshown four\r\n";
        match self.shows {
            Shows::Everything => format!("{shown}shown five\r\n"),
            Shows::Text => format!("{shown}{codes}\r\n"),
            Shows::Excerpt if self.from.contains("no-reply") => hidden,
            Shows::Excerpt => format!("{shown}{codes}\r\n{hidden}"),
            Shows::Domain | Shows::Header | Shows::Invitations => hidden,
        }
    }

    fn html(self) -> String {
        let secret = self.twin.secret();
        let hidden = match self.shows {
            Shows::Everything => String::new(),
            Shows::Text => format!(
                "<!-- {secret} --><script>{secret}()</script><img src=\"https://{secret}.example/{secret}.gif\">"
            ),
            _ => format!("<p>{secret}</p>").repeat(self.twin.pick(1, 20)),
        };
        format!("<p>shown in HTML</p>{hidden}\r\n")
    }

    /// Files; as many in both where their number is told.
    fn files(self) -> Vec<String> {
        let secret = self.twin.secret();
        let invitation = "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:1@writer.example\r\nDTSTART:20261112T160000Z\r\nSUMMARY:shown\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
        let file = |name: &str, lines: usize| {
            format!(
                "Content-Type: application/pdf; name=\"{name}.pdf\"\r\nContent-Disposition: attachment; filename=\"{name}.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
                "JVBERi0xLjQKaGVyb24gYW5kIG90dGVyCg==\r\n".repeat(lines)
            )
        };
        let letter = format!(
            "Content-Type: message/rfc822\r\n\r\nFrom: {secret}@hidden.example\r\nSubject: {secret}\r\n\r\n{secret}\r\n"
        );
        match self.shows {
            Shows::Everything => vec![invitation.to_owned(), file("shown", 3)],
            Shows::Text => vec![invitation.to_owned(), file(secret, self.twin.pick(1, 900)), letter],
            Shows::Excerpt => vec![file(secret, self.twin.pick(1, 900)), letter],
            Shows::Invitations => self
                .twin
                .pick(vec![invitation.to_owned()], vec![file(secret, 9), invitation.to_owned(), letter]),
            Shows::Domain | Shows::Header => {
                self.twin.pick(vec![file(secret, 1)], vec![file(secret, 900), letter, file("b", 2)])
            }
        }
    }

    fn boundary(self, kind: &str) -> String {
        let secret = if self.shows == Shows::Everything { "shown" } else { self.twin.secret() };
        format!("{secret}-{kind}")
    }
}

fn text_part(subtype: &str, content: &str) -> String {
    format!("Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{content}")
}

fn multipart(subtype: &str, boundary: String, parts: &[String]) -> String {
    let mut all = format!("Content-Type: multipart/{subtype}; boundary=\"{boundary}\"\r\n\r\n");
    for part in parts {
        all += &format!("--{boundary}\r\n{part}\r\n");
    }
    all + &format!("--{boundary}--\r\n")
}
