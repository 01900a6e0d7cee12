//! A browser, as small as journeys need one: curl with a cookie jar over real HTTPS, trusting the
//! demo's certificate alone. It runs no scripts, as some people's browsers do not.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Server, tool};

/// A browser with its cookies.
pub struct Browser {
    curl: PathBuf,
    base: String,
    ca: String,
    jar: PathBuf,
}

/// What the server answers.
#[derive(Debug)]
pub struct Page {
    /// The HTTP status.
    pub status: u16,
    /// Where a redirection leads: path and query.
    pub to: String,
    /// The body.
    pub body: String,
}

impl Browser {
    /// A browser with an empty cookie jar; none where there is no curl.
    pub fn new(server: &Server, name: &str) -> Option<Self> {
        let jar = server.scratch().join(format!("{name}.cookies"));
        let (base, ca) = (server.fact("dashboard").to_owned(), server.ca_file().to_owned());
        Some(Self { curl: tool("curl")?, base, ca, jar })
    }

    /// A browser whose person has signed in; none where there is no curl.
    pub fn signed_in(server: &Server, name: &str, login: &str, password: &str) -> Option<Self> {
        let browser = Self::new(server, name)?;
        let page = browser.send("/sign-in", &[("login", login), ("password", password)]);
        assert_eq!((page.status, page.to.as_str()), (303, "/mail"), "{}", page.text());
        Some(browser)
    }

    /// The same for the demo's own user.
    pub fn of_demo(server: &Server, name: &str) -> Option<Self> {
        Self::signed_in(server, name, server.fact("user"), server.fact("password"))
    }

    /// Opens everything.
    #[track_caller]
    pub fn unlock(&self, code: &str, reason: &str) {
        let page = self.post("/unlock", "/unlock", &[("code", code), ("reason", reason), ("to", "/mail")]);
        assert_eq!(page.status, 303, "{}", page.text());
    }

    /// Loads a page.
    pub fn get(&self, path: &str) -> Page {
        self.run(path, &[])
    }

    /// Sends a form of `page` to `path`.
    #[track_caller]
    pub fn post(&self, page: &str, path: &str, fields: &[(&str, &str)]) -> Page {
        let loaded = self.get(page);
        let (_, rest) = loaded.body.split_once("name=\"csrf\" value=\"").expect("a page with a form");
        let (csrf, _) = rest.split_once('"').expect("a value");
        self.send(path, &[&[("csrf", csrf)], fields].concat())
    }

    /// Sends a form as it is.
    pub fn send(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let form = fields.iter().map(|(name, value)| format!("{name}={value}"));
        let arguments: Vec<String> = form.flat_map(|field| ["--data-urlencode".to_owned(), field]).collect();
        self.run(path, &arguments)
    }

    fn run(&self, path: &str, arguments: &[String]) -> Page {
        let mut curl = Command::new(&self.curl);
        curl.args(["--silent", "--show-error", "--max-time", "60", "--user-agent", "journey"]);
        curl.args([
            "--header",
            "sec-fetch-site: same-origin",
            "--write-out",
            "\n%{http_code} %{redirect_url}",
        ]);
        curl.arg("--cacert").arg(&self.ca).arg("--cookie").arg(&self.jar).arg("--cookie-jar").arg(&self.jar);
        let output = curl.args(arguments).arg(format!("{}{path}", self.base)).output().expect("curl runs");
        assert!(output.status.success(), "{path}: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, last) = said.rsplit_once('\n').expect("what curl writes out");
        let (status, to) = last.split_once(' ').expect("status and address");
        let to = to.strip_prefix(&self.base).unwrap_or(to).to_owned();
        Page { status: status.parse().expect("a status"), to, body: body.to_owned() }
    }
}

impl Page {
    /// What a reader sees: no tags, plain letters, single spaces.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for piece in self.body.split('<') {
            let shown = piece.split_once('>').map_or(piece, |(_, shown)| shown);
            text.push_str(shown);
            // Between blocks there is white space in our templates; within a sentence there is none.
        }
        let plain =
            [("&#39;", "'"), ("&#34;", "\""), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
        let text = plain.iter().fold(text, |text, (code, letter)| text.replace(code, letter));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether a reader sees this.
    pub fn shows(&self, text: &str) -> bool {
        self.text().contains(text)
    }
}
