//! The endpoints behind passkeys, over real HTTPS and without a browser: who may begin what, and what
//! is refused before any signature is looked at. The whole way is in `tests/walk/passkey.mjs`.

use std::process::Command;

use serde_json::Value;

use crate::support::{Server, absent, tool};

#[test]
fn passkeys_are_begun_by_our_own_pages_and_added_while_unlocked() {
    let server = Server::demo();
    let Some(person) = Person::signed_in(&server) else { return absent("no curl") };
    let (begin, finish) = ("/account/passkeys/begin", "/account/passkeys/finish");
    let (status, page) = person.get("/account/passkeys");
    assert!(status == 200 && page.contains("No passkey yet") && page.contains("Unlock first"), "{page}");
    let csrf = csrf(&person.get("/unlock").1).to_owned();

    assert_eq!(person.post(begin, &csrf, "same-origin", "{}").0, 401, "locked");
    assert_eq!(person.post("/unlock/passkey/begin", &csrf, "same-origin", "{}").0, 404, "none yet");
    person.unlock(&csrf, &server.code());

    for (header, site) in [("", "same-origin"), ("wrong", "same-origin"), (csrf.as_str(), "cross-site")] {
        assert_eq!(person.post(begin, header, site, "{}").0, 403, "{header} {site}");
    }
    let (status, options) = person.post(begin, &csrf, "same-origin", "{}");
    let options: Value = serde_json::from_str(&options).expect("options");
    let key = &options["publicKey"];
    assert_eq!(status, 200);
    assert_eq!(key["rp"]["id"], "localhost");
    assert_eq!(key["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(key["authenticatorSelection"]["residentKey"], "preferred");
    assert_eq!(options["salt"].as_str().map(str::len), Some(43), "32 octets in base64url");

    for wrong in ["", "{}", "[1]", r#"{"label":"a","credential":{}}"#, r#"{"label":7}"#] {
        let (status, told) = person.post(finish, &csrf, "same-origin", wrong);
        assert!(status == 422 && told.contains("not understood"), "{wrong}: {status} {told}");
    }
    let forged = r#"{"label":"a","credential":{"id":"AA","rawId":"AA","type":"public-key",
        "response":{"attestationObject":"AA","clientDataJSON":"AA"}}}"#;
    let (status, told) = person.post(finish, &csrf, "same-origin", forged);
    assert!(status == 422 && told.contains("could not be added"), "{status} {told}");
    assert!(person.get("/account/passkeys").1.contains("No passkey yet"));
}

/// Curl with a cookie jar, signed in as the demo's user.
struct Person {
    curl: std::path::PathBuf,
    base: String,
    common: Vec<String>,
}

impl Person {
    fn signed_in(server: &Server) -> Option<Self> {
        let jar = server.scratch().join("passkeys.cookies").display().to_string();
        let common = ["--silent", "--show-error", "--max-time", "60", "--user-agent", "journey"];
        let mut common: Vec<String> = common.map(str::to_owned).into();
        common.extend(
            ["--cacert", server.ca_file(), "--cookie", &jar, "--cookie-jar", &jar].map(str::to_owned),
        );
        let person = Self { curl: tool("curl")?, base: server.fact("dashboard").to_owned(), common };
        let (login, password) = (server.fact("user"), server.fact("password"));
        let form = format!("login={login}&password={password}");
        assert_eq!(person.send("/sign-in", &["-H", SAME, "--data", &form]).0, 303);
        Some(person)
    }

    fn unlock(&self, csrf: &str, code: &str) {
        let form = format!("csrf={csrf}&code={code}&to=/mail");
        assert_eq!(self.send("/unlock", &["-H", SAME, "--data", &form]).0, 303);
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.send(path, &[])
    }

    /// JSON as a script sends it; without the header if it is empty.
    fn post(&self, path: &str, csrf: &str, site: &str, body: &str) -> (u16, String) {
        let (csrf, site) = (format!("x-csrf: {csrf}"), format!("sec-fetch-site: {site}"));
        let json = "content-type: application/json";
        self.send(path, &["-H", &csrf, "-H", &site, "-H", json, "--data", body])
    }

    fn send(&self, path: &str, arguments: &[&str]) -> (u16, String) {
        let output = Command::new(&self.curl)
            .args(&self.common)
            .args(arguments)
            .args(["--write-out", "\n%{http_code}", &format!("{}{path}", self.base)])
            .output()
            .expect("curl runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').expect("a status");
        (status.parse().expect("a number"), body.to_owned())
    }
}

/// The value that every form of a page carries.
fn csrf(page: &str) -> &str {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a page with a form");
    rest.split_once('"').expect("a value").0
}

const SAME: &str = "sec-fetch-site: same-origin";
