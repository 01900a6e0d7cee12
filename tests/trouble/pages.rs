//! The dashboard on a full disk: nothing is opened that cannot be audited, and the page says so.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use super::clients::ADDRESS;
use super::full::fill;
use super::powercut::PowerCut;
use super::world::World;

#[test]
fn pages_show_nothing_that_cannot_be_audited() {
    let Some(disk) = PowerCut::mount() else { return };
    let world = World::at(&disk.path().join("vault"));
    let server = world.serve();
    let person = Person::new(&world);
    assert_eq!(person.post("/sign-in", &[("login", ADDRESS), ("password", &world.facts.password)]).0, 303);
    let masked = person.get("/mail/1");
    assert!(masked.0 == 200 && !masked.1.contains(SECRET), "{masked:?}");
    let csrf = csrf(&masked.1);
    assert_eq!(person.post("/unlock", &[("csrf", &csrf), ("code", &world.code())]).0, 303);
    assert!(person.get("/mail/1").1.contains(SECRET));
    let code = world.code();
    fill(&disk, &world, &server);
    // Where a message does not fit an audit entry still may: each that does opens something once more.
    let mut opened = 1;
    for path in PAGES {
        let refused = (0..200).map(|_| person.get(path)).find(|(status, page)| {
            opened += usize::from(page.contains(SECRET));
            *status != 200
        });
        let (status, page) = refused.expect("the ledger fills up");
        assert!((500..600).contains(&status), "{path}: {status} {page}");
        assert!(!page.contains(SECRET) && page.contains("<h1>"), "{path}: {page}");
    }
    // Locking works, whatever the disk says; unlocking does not.
    person.post("/lock", &[("csrf", &csrf)]);
    assert!(!person.get("/mail/1").1.contains(SECRET));
    let (status, page) = person.post("/unlock", &[("csrf", &csrf), ("code", &code)]);
    assert!((500..600).contains(&status) && page.contains("<h1>"), "{status} {page}");
    disk.leave_room(None);
    assert!(!person.get("/mail/1").1.contains(SECRET), "it is locked still");
    assert_eq!(person.post("/unlock", &[("csrf", &csrf), ("code", &world.code())]).0, 303);
    assert!(person.get("/mail/1").1.contains(SECRET), "there is room again");
    let told =
        |entry: &Value| ["message_revealed", "search_made"].iter().any(|kind| entry["act"]["kind"] == *kind);
    assert!(world.audited().iter().filter(|entry| told(entry)).count() > opened);
}

/// curl, with cookies kept outside the full disk.
pub struct Person {
    pub base: String,
    pub certificate: String,
    folder: tempfile::TempDir,
}

impl Person {
    pub fn new(world: &World) -> Self {
        let status = world.json(&["status"]);
        let address = status["dashboard"][0].as_str().expect("the dashboard listens");
        let port = address.rsplit(':').next().expect("a port");
        // The certificate is read while the disk has room.
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificate = folder.path().join("certificate.pem");
        std::fs::copy(world.certificate(), &certificate).expect("a copy");
        let certificate = certificate.display().to_string();
        Self { base: format!("https://localhost:{port}"), certificate, folder }
    }

    pub fn get(&self, path: &str) -> (u16, String) {
        self.ask(path, &[])
    }

    pub fn post(&self, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
        let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
        let arguments: Vec<String> =
            fields.flat_map(|field| ["--data-urlencode".to_owned(), field]).collect();
        self.ask(path, &arguments)
    }

    fn ask(&self, path: &str, arguments: &[String]) -> (u16, String) {
        let jar = self.folder.path().join("jar");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "60", "-A", "trouble", "-H", "Sec-Fetch-Site: same-origin"]);
        curl.args(["-w", "\n%{http_code}", "--cacert", &self.certificate])
            .arg("-b")
            .arg(&jar)
            .arg("-c")
            .arg(jar);
        let Output { status, stdout, stderr } = curl
            .args(arguments)
            .arg(format!("{}{path}", self.base))
            .stdin(Stdio::null())
            .output()
            .expect("curl");
        assert!(status.success(), "{path}: {}", String::from_utf8_lossy(&stderr));
        let said = String::from_utf8_lossy(&stdout).into_owned();
        let (page, code) = said.rsplit_once('\n').expect("what curl writes out");
        (code.parse().expect("a status"), page.to_owned())
    }
}

pub fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").expect("a page with a form");
    rest.split('"').next().expect("a first piece").to_owned()
}

const PAGES: [&str; 6] =
    ["/mail/1", "/mail/1/source", "/mail/1/compare", "/mail/1/print", "/search?q=euros", "/mail/2"];
/// Words of the first sample message.
const SECRET: &str = "85,000 euros";
