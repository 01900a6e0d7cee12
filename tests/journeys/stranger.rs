//! Somebody who speaks to the dashboard as no well-meaning browser does: curl with every header the
//! test's own, at another address, in another browser; and the headers of the answer to look at.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{Server, tool};

/// Somebody with cookies of their own.
#[derive(Clone)]
pub struct Stranger {
    jar: PathBuf,
    base: String,
    ca_file: String,
    agent: String,
    from: Option<String>,
}

/// What the server answered.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in small letters, with their values.
    pub headers: Vec<(String, String)>,
    /// The page.
    pub body: String,
}

impl Stranger {
    /// A new one, or none and a line that says so.
    pub fn open(server: &Server, name: &str) -> Option<Self> {
        let jar = server.scratch().join(format!("{name}.jar"));
        Self::at(server.fact("dashboard"), server.ca_file(), jar)
    }

    /// The same at any dashboard, with cookies in the file `jar`.
    pub fn at(base: &str, ca_file: &str, jar: PathBuf) -> Option<Self> {
        tool("curl")?;
        let (base, ca_file) = (base.to_owned(), ca_file.to_owned());
        Some(Self { jar, base, ca_file, agent: "walk/1".to_owned(), from: None })
    }

    /// The same cookies in another browser.
    pub fn as_agent(&self, agent: &str) -> Self {
        Self { agent: agent.to_owned(), ..self.clone() }
    }

    /// The same cookies at another network address of this machine.
    pub fn at_address(&self, address: &str) -> Self {
        Self { from: Some(address.to_owned()), ..self.clone() }
    }

    /// Loads a page; follows no redirect.
    pub fn get(&self, path: &str) -> Answer {
        self.ask(path, &[])
    }

    /// The same with headers of the test's own.
    pub fn get_with(&self, path: &str, headers: &[&str]) -> Answer {
        let arguments: Vec<&str> = headers.iter().flat_map(|header| ["-H", header]).collect();
        self.ask(path, &arguments)
    }

    /// Sends fields, as a form of our own pages.
    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(path, fields, &["-H", "Sec-Fetch-Site: same-origin"])
    }

    /// Sends fields with these arguments for curl and no other header.
    pub fn send(&self, path: &str, fields: &[(&str, &str)], arguments: &[&str]) -> Answer {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut all = arguments.to_vec();
        all.extend(fields.iter().flat_map(|field| ["--data-urlencode", field.as_str()]));
        if fields.is_empty() {
            all.extend(["-X", "POST", "-d", ""]);
        }
        self.ask(path, &all)
    }

    /// Sends fields as the form of a page does, with what its forms carry.
    pub fn submit(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf(page);
        let mut all = vec![("csrf", csrf.as_str())];
        all.extend(fields);
        self.post(path, &all)
    }

    /// What the forms of a page carry.
    #[track_caller]
    pub fn csrf(&self, page: &str) -> String {
        let page = self.get(page);
        let mark = "name=\"csrf\" value=\"";
        let start =
            page.body.find(mark).unwrap_or_else(|| panic!("a page with a form: {page:?}")) + mark.len();
        page.body[start..].split('"').next().expect("a first piece").to_owned()
    }

    /// Signs in with a password that has to be right.
    #[track_caller]
    pub fn sign_in(&self, login: &str, password: &str) {
        let answer = self.post("/sign-in", &[("login", login), ("password", password)]);
        assert_eq!(answer.status, 303, "{answer:?}");
    }

    /// Sends a code to the unlock page.
    pub fn unlock(&self, code: &str) -> Answer {
        self.submit("/unlock", "/unlock", &[("code", code)])
    }

    /// Whether everything is open in this session.
    pub fn is_open(&self) -> bool {
        self.get("/mail").body.contains("class=\"lock is-open\"")
    }

    /// curl on a path of the dashboard, to be run.
    pub fn curl(&self, path: &str) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "90", "--path-as-is", "--cacert", &self.ca_file, "-A", &self.agent]);
        curl.arg("-b").arg(&self.jar).arg("-c").arg(&self.jar).args(["-H", "Expect:"]);
        curl.args(self.from.iter().flat_map(|address| ["--interface", address.as_str()]));
        curl.arg(format!("{}{path}", self.base)).stdin(Stdio::null());
        curl
    }

    #[track_caller]
    fn ask(&self, path: &str, arguments: &[&str]) -> Answer {
        let output = self.curl(path).arg("-i").args(arguments).output().expect("curl runs");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        Answer::parse(&String::from_utf8_lossy(&output.stdout))
    }
}

impl Answer {
    /// The octets of an answer (RFC 9112 §2).
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("an answer: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("a header field");
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Self { status, headers: lines.map(header).collect(), body: body.to_owned() }
    }

    /// The only field of this name; empty if there is none.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map_or("", |(_, value)| value);
        assert!(found.next().is_none(), "{name} stands there twice");
        value
    }

    /// The cookie of this name that is set, with its attributes; empty if none is.
    pub fn cookie(&self, name: &str) -> &str {
        let set = self.headers.iter().filter(|(known, _)| known == "set-cookie").map(|(_, value)| value);
        let mut ours = set.filter(|value| value.split('=').next() == Some(name));
        ours.next().map_or("", String::as_str)
    }
}
