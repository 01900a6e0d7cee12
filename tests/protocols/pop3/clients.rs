//! Clients that others wrote, against our server. Where one is not installed a line says so.

use std::io::Write;
use std::process::{Command, Output};

use super::fakes::{Fake, LOGIN, PASSWORD};
use super::stage::{Door, Stage, settings};

/// A few real-looking messages and one that tries to speak for the server.
fn fake() -> Fake {
    Fake::with([
        b"From: ann@vault.example\r\nSubject: one\r\n\r\nHello\r\n".to_vec(),
        b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n".to_vec(),
        b"Subject: smuggled\n\nbefore\n.\r\n+OK nothing here\r\nafter\n.\n+OK\n".to_vec(),
    ])
}

/// Runs a program aside. `None` if it is not installed.
async fn run(program: &str, arguments: Vec<String>) -> Option<Output> {
    let name = program.to_owned();
    let output = tokio::task::spawn_blocking(move || Command::new(name).args(arguments).output());
    match output.await.expect("the program's thread ends") {
        Ok(output) => Some(output),
        Err(_) if std::env::var("VEILPOST_TEST_REQUIRE").as_deref() != Ok("all") => {
            // Straight to the stream: the test harness would swallow what `eprintln` says.
            let _ = writeln!(std::io::stderr(), "SKIPPED: {program} is not installed");
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

fn certificate(stage: &Stage) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), &stage.certificate_pem).expect("it can be written");
    file
}

#[tokio::test]
async fn python_poplib() {
    for door in [Door::Tls, Door::Plain] {
        let fake = fake();
        let stage = Stage::open(door, fake.clone(), settings()).await;
        let certificate = certificate(&stage);
        let kind = if door == Door::Tls { "tls" } else { "stls" };
        let path = certificate.path().display().to_string();
        let script = POPLIB.to_owned();
        let arguments = vec![
            "-c".into(),
            script,
            kind.into(),
            stage.port.to_string(),
            path,
            LOGIN.into(),
            PASSWORD.into(),
        ];
        let Some(output) = run("python3", arguments).await else { return };
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(fake.present(), 2);
    }
}

const POPLIB: &str = r#"
import poplib, ssl, sys
kind, port, certificate, login, password = sys.argv[1:]
context = ssl.create_default_context(cafile=certificate)
if kind == "tls":
    pop = poplib.POP3_SSL("localhost", int(port), context=context, timeout=20)
else:
    pop = poplib.POP3("localhost", int(port), timeout=20)
    assert "STLS" in pop.capa() and "SASL" not in pop.capa()
    pop.stls(context)
assert pop.capa()["SASL"] == ["PLAIN", "LOGIN"], pop.capa()
pop.utf8()
pop.user(login)
pop.pass_(password)
count, octets = pop.stat()
assert count == 3
sizes = [int(line.split()[1]) for line in pop.list()[1]]
assert sum(sizes) == octets
ids = [line.split()[1] for line in pop.uidl()[1]]
assert len(set(ids)) == 3
assert pop.retr(1)[1][-1] == b"Hello"
assert pop.retr(2)[1] == [b"Subject: dots", b"", b".", b"..", b".x"]
smuggled = pop.retr(3)[1]
assert smuggled == [b"Subject: smuggled", b"", b"before", b".", b"+OK nothing here", b"after", b".", b"+OK", b""], smuggled
assert pop.top(1, 0)[1] == [b"From: ann@vault.example", b"Subject: one", b""]
pop.noop()
pop.dele(1)
try:
    pop.retr(1)
    raise SystemExit("a deleted message was served")
except poplib.error_proto:
    pass
pop.rset()
pop.dele(2)
pop.quit()
"#;

#[tokio::test]
async fn curl() {
    for (door, scheme, mechanism) in [
        (Door::Tls, "pop3s", "AUTH=PLAIN"),
        (Door::Tls, "pop3s", "AUTH=LOGIN"),
        (Door::Plain, "pop3", "AUTH=PLAIN"),
    ] {
        let stage = Stage::open(door, fake(), settings()).await;
        let certificate = certificate(&stage);
        let base = ["-sS", "--ssl-reqd", "--max-time", "20", "--login-options", mechanism, "--cacert"];
        let base = base.into_iter().map(str::to_owned).chain([
            certificate.path().display().to_string(),
            "-u".to_owned(),
            format!("{LOGIN}:{PASSWORD}"),
        ]);
        for (path, more, expected) in [
            ("", &[][..], "1 48\r\n2 28\r\n3 59\r\n"),
            ("1", &[], "From: ann@vault.example\r\nSubject: one\r\n\r\nHello\r\n"),
            ("2", &["--sasl-ir"], "Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n"),
            ("", &["-X", "TOP 1 0"], "From: ann@vault.example\r\nSubject: one\r\n\r\n"),
        ] {
            let url = format!("{scheme}://localhost:{}/{path}", stage.port);
            let arguments =
                base.clone().chain(more.iter().map(|word| (*word).to_owned())).chain([url.clone()]);
            let Some(output) = run("curl", arguments.collect()).await else { return };
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{url} {mechanism}: {errors}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{url} {mechanism}");
        }
    }
}
