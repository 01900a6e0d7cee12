//! Real mail clients fetch masked mail under TLS, checking the certificate; real senders deliver.

use std::process::{Command, Output, Stdio};

use crate::pop3::Pop3;
use crate::support::{Server, tool};

#[test]
fn curl_sends_and_fetches() {
    let Some(curl) = tool("curl") else { return };
    let server = Server::demo();
    let mail = server.scratch().join("mail");
    std::fs::write(&mail, MAIL).expect("a file");
    let url = format!("smtp://127.0.0.1:{}", server.port("smtp"));
    let to = server.fact("address");
    let mut send = Command::new(&curl);
    send.args(["-sS", &url, "--ssl-reqd", "--cacert", server.ca_file()]);
    send.args(["--mail-from", "writer@elsewhere.example", "--mail-rcpt", to, "-T"]).arg(&mail);
    succeeds(&mut send);
    let laptop = server.device("laptop");
    let mut fetch = Command::new(&curl);
    fetch.args([
        "-sS",
        "--cacert",
        server.ca_file(),
        "-u",
        &format!("{}:{}", laptop.login, laptop.app_password),
    ]);
    let fetched = text(&succeeds(fetch.arg(format!("pop3s://localhost:{}/7", server.port("pop3s")))));
    assert!(fetched.contains("Subject: the title") && !fetched.contains("the sixth line"), "{fetched}");
    let mut starttls = Command::new(&curl);
    starttls.args(["-sS", "--ssl-reqd", "--cacert", server.ca_file()]);
    starttls.args(["-u", &format!("{}:{}", laptop.login, laptop.app_password)]);
    assert_eq!(text(&succeeds(starttls.arg(format!("pop3://localhost:{}/7", server.port("pop3"))))), fetched);
}

#[test]
fn python_sends_and_fetches() {
    let Some(python) = tool("python3") else { return };
    let server = Server::demo();
    let phone = server.device("phone");
    let mut command = Command::new(python);
    command.args(["-c", PYTHON, server.ca_file(), &phone.login, &phone.app_password, server.fact("address")]);
    command.args([server.port("pop3s").to_string(), server.port("smtp").to_string()]);
    let fetched = text(&succeeds(&mut command));
    assert!(fetched.contains("Subject: Sealed message from elsewhere.example"), "{fetched}");
    assert!(!fetched.contains("the title") && !fetched.contains("first line"), "{fetched}");
}

#[test]
fn mpop_fetches() {
    let Some(mpop) = tool("mpop") else { return };
    let server = Server::demo();
    let (laptop, inbox) = (server.device("laptop"), server.scratch().join("inbox"));
    let settings = format!(
        "account default\nhost localhost\nport {}\ntls on\ntls_starttls off\ntls_trust_file {}\nuser {}\npassword {}\nkeep on\nuidls_file {}\ndelivery mbox {}\n",
        server.port("pop3s"),
        server.ca_file(),
        laptop.login,
        laptop.app_password,
        server.scratch().join("uidls").display(),
        inbox.display(),
    );
    let mut command = Command::new(mpop);
    command.arg("--file").arg(private(&server, "mpoprc", &settings));
    succeeds(&mut command);
    is_masked(&std::fs::read_to_string(inbox).expect("a mailbox"));
}

#[test]
fn fetchmail_fetches() {
    let Some(fetchmail) = tool("fetchmail") else { return };
    let server = Server::demo();
    let (laptop, inbox) = (server.device("laptop"), server.scratch().join("inbox"));
    let settings = format!(
        "poll localhost protocol pop3 port {} user \"{}\" password \"{}\" keep ssl sslcertck sslcertfile \"{}\" mda \"/bin/cat >> {}\"\n",
        server.port("pop3s"),
        laptop.login,
        laptop.app_password,
        server.ca_file(),
        inbox.display(),
    );
    let mut command = Command::new(fetchmail);
    command.env("FETCHMAILHOME", server.scratch()).args(["--nosyslog", "--nodetach", "-f"]);
    succeeds(command.arg(private(&server, "fetchmailrc", &settings)));
    is_masked(&std::fs::read_to_string(inbox).expect("a mailbox"));
}

#[test]
fn getmail_fetches() {
    let Some(getmail) = tool("getmail") else { return };
    let server = Server::demo();
    let (laptop, inbox) = (server.device("laptop"), server.scratch().join("inbox"));
    // Its own mailbox writer refuses root, and tests run as anybody.
    let settings = format!(
        "[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {}\nusername = {}\npassword = {}\nca_certs = {}\n[destination]\ntype = MDA_external\npath = /bin/sh\narguments = (\"-c\", \"cat >> {}\")\nallow_root_commands = true\n[options]\nread_all = true\ndelete = false\n",
        server.port("pop3s"),
        laptop.login,
        laptop.app_password,
        server.ca_file(),
        inbox.display(),
    );
    let mut command = Command::new(getmail);
    command.arg("--getmaildir").arg(server.scratch());
    succeeds(command.arg("--rcfile").arg(private(&server, "getmailrc", &settings)));
    is_masked(&std::fs::read_to_string(inbox).expect("a mailbox"));
}

#[test]
fn swaks_sends_under_starttls() {
    let Some(swaks) = tool("swaks") else { return };
    let server = Server::demo();
    let mut command = Command::new(swaks);
    command.args(["--server", &format!("127.0.0.1:{}", server.port("smtp")), "--to", server.fact("address")]);
    command.args(["--from", "writer@elsewhere.example", "--tls", "--tls-ca-path", server.ca_file()]);
    succeeds(command.args(["--tls-verify", "--header", "Subject: by swaks"]));
    assert!(Pop3::login(&server, &server.device("laptop")).text(7).contains("Subject: by swaks"));
}

/// Six messages, with what the policy of the laptop shows and without what it hides.
fn is_masked(inbox: &str) {
    assert_eq!(inbox.matches("\nSubject: ").count(), 6, "{inbox}");
    assert!(inbox.contains("prepared to pay") && inbox.contains("Subject: Your sign-in code"), "{inbox}");
    assert!(!inbox.contains("Kind regards"), "{inbox}");
}

/// Runs a program that has to succeed.
#[track_caller]
pub fn succeeds(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().expect("the program starts");
    let said = format!("{}{}", text(&output), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{:?} fails: {said}", command.get_program());
    output
}

/// What a program printed.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A file that only its owner reads: the clients insist on it.
pub fn private(server: &Server, name: &str, content: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = server.scratch().join(name);
    std::fs::write(&path, content).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    path
}

const MAIL: &str = "From: writer@elsewhere.example\r\nTo: alice@demo.example\r\nSubject: the title\r\n\r\none\r\ntwo\r\nthree\r\nfour\r\nfive\r\nthe sixth line\r\n";
const PYTHON: &str = r#"
import poplib, smtplib, ssl, sys
ca, login, password, address, pop3s, smtp = sys.argv[1:]
trust = ssl.create_default_context(cafile=ca)
with smtplib.SMTP("localhost", int(smtp)) as sender:
    sender.starttls(context=trust)
    sender.sendmail("w@elsewhere.example", [address],
        "From: w@elsewhere.example\r\nSubject: the title\r\n\r\nfirst line\r\n")
box = poplib.POP3_SSL("localhost", int(pop3s), context=trust)
box.user(login)
box.pass_(password)
count, size = box.stat()
assert count == 7 and len(box.list()[1]) == 7 and len(box.uidl()[1]) == 7
content = [box.retr(n + 1)[1] for n in range(count)]
assert sum(len(line) + 2 for lines in content for line in lines) == size
print(b"\n".join(content[6]).decode())
box.quit()
"#;
