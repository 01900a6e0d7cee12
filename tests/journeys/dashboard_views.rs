//! Views and policies by the pages: a mail client is connected, reads, and is shut out again; members
//! look and do not touch; what reveals more waits for the unlock.

use std::process::Command;

use crate::browser::{Browser, Page};
use crate::pop3::Pop3;
use crate::smtp::Smtp;
use crate::support::{Device, Server, poll, tool};

#[test]
fn a_mail_client_is_connected_reads_and_is_revoked() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "owner") else { return };
    let wanted = [("policy", "headers-only"), ("name", "tablet"), ("label", "My tablet")];
    let locked = browser.post("/views", "/views/new", &wanted);
    assert_eq!(locked.status, 303);
    assert!(locked.to.starts_with("/unlock?to=%2Fviews%2Fnew%3F") && locked.to.contains("tablet"));
    browser.unlock(&server.code(), "a new tablet");
    let tried = browser.get("/views/new?policy=headers-only&message=1");
    assert!(tried.shows("The message") && tried.shows("What the client sees"), "{}", tried.text());
    let made = browser.post("/views", "/views/new", &wanted);
    assert_eq!(made.status, 200, "{}", made.text());
    let device = Device {
        login: server.fact("user").to_owned(),
        app_password: between(&made.body, "<code id=\"app-password\">", "</code>").to_owned(),
        credential: String::new(),
    };
    let (before, _) = made.body.split_once("/profile\"").expect("a form for the profile");
    let view = before.rsplit_once("action=\"").expect("a form").1.to_owned();
    let profile = browser.post("/views", &format!("{view}/profile"), &[("password", &device.app_password)]);
    assert!(profile.body.contains(&device.app_password) && profile.body.contains("EmailTypeIMAP"));
    let again = browser.post("/views", "/views/new", &wanted);
    assert_eq!((again.status, again.shows("You have a view of that name")), (409, true));
    reseal(&browser);

    let listed = fetch(&server, &device).expect("the device may log in");
    assert!(listed.contains("Subject: ") && listed.contains("sealed"), "{listed}");
    let shown = browser.get(&view);
    assert!(shown.shows("My tablet") && shown.shows("Last used"));
    let page = between(&shown.body, &format!("href=\"{view}/devices/"), "\"").to_owned();
    let page = format!("{view}/devices/{page}");
    let fetched = browser.get(&page);
    assert!(fetched.shows("One message, as this view showed it."), "{}", fetched.text());
    assert_eq!(fetched.body.matches("href=\"/m/").count(), 1);
    browser.post("/views", "/lock", &[]);
    let locked = browser.get(&page);
    assert!(locked.shows("Unlock to see their subjects"), "{}", locked.text());
    // To show less needs no unlock.
    let revoked = browser.post(&page, &format!("{page}/revoke"), &[]);
    assert_eq!((revoked.status, revoked.to), (303, format!("{view}?said=device-revoked")));
    assert!(Pop3::open(&server, &device).is_err());
    assert_eq!(browser.get(&page).status, 404);
}

#[test]
fn what_reveals_more_waits_for_the_unlock() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "owner") else { return };
    let list = browser.get("/views");
    let phone = view_of(&list, "phone");
    let compared = browser.get(&format!("{phone}/policy?to=everything"));
    assert!(compared.shows("Newly revealed") && compared.shows("byte for byte"), "{}", compared.text());
    let locked = browser.post("/views", &format!("{phone}/policy"), &[("to", "everything")]);
    assert_eq!(locked.status, 303);
    assert!(locked.to.starts_with("/unlock?to="), "{}", locked.to);
    let again = browser.post("/views", "/views/reseal", &[]);
    assert_eq!((again.status, again.to.as_str()), (303, "/unlock?to=%2Fviews"));
    browser.unlock(&server.code(), "");
    let done = browser.post("/views", &format!("{phone}/policy"), &[("to", "everything")]);
    assert_eq!((done.status, done.to), (303, format!("{phone}?said=loosened")));
    browser.post("/views", "/lock", &[]);
    // And back: what it showed was everything, so any policy without exceptions only hides.
    let done = browser.post("/views", &format!("{phone}/policy"), &[("to", "sender-and-date")]);
    assert_eq!((done.status, done.to), (303, format!("{phone}?said=tightened")));
}

#[test]
fn members_look_at_policies_and_administrators_put_them_in_force() {
    let server = Server::demo();
    let (tenant, login) = (server.fact("tenant"), "mia@demo.example");
    let user = ["user", "create", tenant, "--address", login, "--recovery"];
    let made = server.run_with(&user, &[("VEILPOST_NEW_PASSWORD", PASSWORD)]);
    made.expect("a member");
    let Some(member) = Browser::signed_in(&server, "member", login, PASSWORD) else { return };
    let text = browser_text("sender-and-date");
    let fields = [("target", "ours"), ("text", text.as_str()), ("act", "load")];
    assert_eq!(member.post("/views", "/policies/sender-and-date", &fields).status, 403);
    assert_eq!(member.get("/policies/ours").status, 404);
    let own = member.get("/views");
    assert!(!own.body.contains("/devices/") && own.shows("No mail client yet"), "{}", own.text());
    let mut check = fields;
    check[2] = ("act", "check");
    assert!(member.post("/views", "/policies/sender-and-date", &check).shows("It checks."));
    check[1] = ("text", "version = 1\n[body]\ntext = \"shwo\"\n");
    let wrong = member.post("/views", "/policies/sender-and-date", &check);
    assert_eq!((wrong.status, wrong.shows("Line 3, column")), (422, true));

    let owner = Browser::of_demo(&server, "owner").expect("there is a curl");
    let phone = view_of(&owner.get("/views"), "phone");
    assert_eq!(member.get(&phone).status, 404, "somebody else's view");
    server.done(&["user", "role", server.fact("user"), "administrator"]);
    let owner = Browser::of_demo(&server, "administrator").expect("there is a curl");
    let loaded = owner.post("/views", "/policies/sender-and-date", &fields);
    assert_eq!((loaded.status, loaded.to.as_str()), (303, "/policies/ours?said=loaded"), "{}", loaded.text());
    let mut taken = fields;
    taken[0] = ("target", "excerpt");
    assert_eq!(owner.post("/views", "/policies/sender-and-date", &taken).status, 409);
    let given = owner.post("/views", &format!("{phone}/policy"), &[("to", "ours")]);
    if given.to.starts_with("/unlock") {
        owner.unlock(&server.code(), "");
        owner.post("/views", &format!("{phone}/policy"), &[("to", "ours")]);
        owner.post("/views", "/lock", &[]);
    }
    let mut looser = fields;
    looser[1] = ("text", "version = 1\nshow = \"everything\"\n");
    let waits = owner.post("/views", "/policies/ours", &looser);
    assert_eq!((waits.status, waits.shows("That takes your unlock.")), (403, true), "{}", waits.text());
    assert!(waits.shows("show = \"everything\""), "the text stays");
    owner.unlock(&server.code(), "");
    assert_eq!(owner.post("/views", "/policies/ours", &looser).status, 303);
}

#[test]
fn locking_stops_a_reseal_at_the_next_message() {
    let server = Server::demo();
    let Some(browser) = Browser::of_demo(&server, "owner") else { return };
    let mut session = Smtp::connect(&server);
    let letter = format!("Subject: long\r\n\r\n{}", "a line of a long letter\r\n".repeat(8_000));
    (0..MANY).for_each(|_| session.deliver(server.fact("user"), letter.as_bytes()));
    browser.unlock(&server.code(), "");
    assert_eq!(browser.post("/views", "/views/reseal", &[]).status, 303);
    browser.post("/views", "/lock", &[]);
    assert_eq!(
        ended(&browser),
        "It stopped, because your mail was locked. Unlock, and begin it again: it goes on where it stopped."
    );
    assert!(browser.get("/views").shows("It stopped, because your mail was locked."));
    // Whatever was sealed again by then is served, and so is the rest.
    assert_eq!(Pop3::login(&server, &server.device("laptop")).count(), 6 + MANY);
    browser.unlock(&server.code(), "");
    reseal(&browser);
}

fn reseal(browser: &Browser) {
    assert_eq!(browser.post("/views", "/views/reseal", &[]).to, "/views");
    let told = ended(browser);
    assert!(told.contains("are sealed for today"), "{told}");
}

/// What is said at the end of the job.
fn ended(browser: &Browser) -> String {
    poll("the reseal", || {
        let page = browser.get("/jobs/reseal");
        (!page.body.contains("<progress")).then(|| page.text())
    })
}

/// The first message, by curl; the error is what curl says.
fn fetch(server: &Server, device: &Device) -> Result<String, String> {
    let mut curl = Command::new(tool("curl").expect("the browser is curl"));
    curl.args(["-sS", "--cacert", server.ca_file(), "--max-time", "60"]);
    curl.args(["-u", &format!("{}:{}", device.login, device.app_password)]);
    let output = curl.arg(format!("pop3s://localhost:{}/1", server.port("pop3s"))).output().expect("it runs");
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The address of a view's page, by its name in the list.
fn view_of(list: &Page, name: &str) -> String {
    let (before, _) = list.body.split_once(&format!("\">{name}</a>")).expect("a view of that name");
    let (_, path) = before.rsplit_once("href=\"").expect("a link");
    path.to_owned()
}

fn browser_text(policy: &str) -> String {
    let shipped = veilpost::policy::shipped().iter().find(|(name, _)| *name == policy);
    shipped.expect("a shipped policy").1.to_owned()
}

#[track_caller]
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(start).unwrap_or_else(|| panic!("no {start} in the page"));
    rest.split_once(end).expect("its end").0
}

/// Long letters: sealing them again takes longer than a lock does.
const MANY: usize = 60;
const PASSWORD: &str = "four words are easy";
