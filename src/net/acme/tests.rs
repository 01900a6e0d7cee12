//! Journeys: from a first start to a certificate that a TLS client sees.

use super::fake_authority::FakeAuthority;
use super::*;
use crate::net::tls::{Inside, testing};

struct Case {
    folder: tempfile::TempDir,
    authority: FakeAuthority,
    listener: Option<TcpListener>,
    clock: Clock,
}

impl Case {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let authority = FakeAuthority::start(listener.local_addr().expect("bound")).await;
        std::fs::write(folder.path().join("root.pem"), &authority.tls_root).expect("writes");
        let clock = Clock::manual(Clock::system().now());
        Self { folder, authority, listener: Some(listener), clock }
    }

    fn settings(&self, domains: &[&str]) -> Acme {
        Acme {
            directory: self.authority.directory.clone(),
            contact: vec!["postmaster@example.org".to_owned()],
            domains: domains.iter().map(|&name| name.to_owned()).collect(),
            listen: Vec::new(),
            cache_dir: self.folder.path().to_owned(),
            ca_file: Some(self.folder.path().join("root.pem")),
        }
    }

    fn renewer(&self, domains: &[&str]) -> Renewer {
        Renewer::new(self.settings(domains), self.clock.clone()).expect("starts")
    }

    /// Answers challenges for `renewer` without its schedule.
    fn answer_for(&mut self, renewer: &Renewer) -> CancellationToken {
        let stop = CancellationToken::new();
        let listener = self.listener.take().expect("one listener a case");
        tokio::spawn(http::serve(listener, renewer.challenges.router(), stop.clone()));
        stop
    }

    async fn sees_issued(&self, tls: &ServerTls, host: &str) -> bool {
        let settings = tls.config(Inside::Smtp).expect("settings");
        let client = testing::client(&self.authority.issuing_root, &[]);
        testing::handshake(settings, client, host).await.is_ok()
    }
}

#[tokio::test]
async fn a_first_start_ends_with_the_authoritys_certificate() {
    let mut case = Case::new().await;
    let renewer = case.renewer(&["mail.example.org", "pop.example.org"]);
    let tls = renewer.tls();
    let settings = tls.config(Inside::Smtp).expect("settings");
    assert!(tls.covers("mail.example.org") && !case.sees_issued(&tls, "mail.example.org").await);

    let stop = CancellationToken::new();
    let listener = case.listener.take().expect("one");
    let running = tokio::spawn(renewer.run(vec![listener], stop.clone()));
    let client = testing::client(&case.authority.issuing_root, &[]);
    let swapped = async {
        // The settings were made before the certificate came.
        while testing::handshake(settings.clone(), client.clone(), "pop.example.org").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), swapped).await.expect("a certificate within 30 s");
    assert!(case.sees_issued(&tls, "mail.example.org").await);
    assert_eq!(case.authority.orders(), 1);
    stop.cancel();
    running.await.expect("ends");
}

#[tokio::test]
async fn a_restart_uses_what_was_kept_and_renews_in_time() {
    let mut case = Case::new().await;
    let mut renewer = case.renewer(&["mail.example.org"]);
    let answering = case.answer_for(&renewer);
    renewer.renew().await.expect("a certificate");
    let first = renewer.tls().not_after();
    answering.cancel();

    let restarted = case.renewer(&["mail.example.org"]);
    assert!(case.sees_issued(&restarted.tls(), "mail.example.org").await);
    assert_eq!(restarted.tls().not_after(), first);
    assert!(restarted.due() > case.clock.now());
    case.clock.set(case.clock.now().plus(Duration::from_secs(61 * 86_400)));
    assert!(restarted.due() <= case.clock.now(), "61 of 90 days are two thirds");
    // A name was added: what was kept is not enough.
    let more = case.renewer(&["mail.example.org", "new.example.org"]);
    assert_eq!(more.due(), case.clock.now());
}

#[tokio::test]
async fn a_renewal_keeps_the_account_and_changes_the_certificate() {
    let mut case = Case::new().await;
    let mut renewer = case.renewer(&["mail.example.org"]);
    let _answering = case.answer_for(&renewer);
    renewer.renew().await.expect("a certificate");
    let first = renewer.tls().not_after();
    case.authority.issue_at(case.clock.now().plus(Duration::from_secs(86_400)));
    renewer.renew().await.expect("a second one");
    assert!(renewer.tls().not_after() > first);
    assert_eq!((case.authority.accounts(), case.authority.orders()), (1, 2));
    for name in ["acme-account.json", "acme-certificate.pem"] {
        use std::os::unix::fs::PermissionsExt;
        let found = std::fs::metadata(case.folder.path().join(name)).expect("kept");
        assert_eq!(found.permissions().mode() & 0o7777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_challenge_that_is_not_found_leaves_the_old_certificate() {
    let mut case = Case::new().await;
    let mut renewer = case.renewer(&["mail.example.org"]);
    let before = renewer.tls().not_after();
    // Somebody else answers on port 80.
    let stranger = Challenges::default();
    let listener = case.listener.take().expect("one");
    tokio::spawn(http::serve(listener, stranger.router(), CancellationToken::new()));
    let error = renewer.renew().await.expect_err("unproven");
    assert!(matches!(&error, AcmeError::Unproven { why } if why.contains("another one")), "{error}");
    assert_eq!(case.authority.unseen(), ["mail.example.org"]);
    assert_eq!(renewer.tls().not_after(), before);
    assert!(renewer.cache.certificate().is_none());
}

#[tokio::test]
async fn an_authority_that_is_away_is_an_error_and_no_panic() {
    let case = Case::new().await;
    let mut settings = case.settings(&["mail.example.org"]);
    settings.directory = "https://localhost:1/directory".to_owned();
    let mut renewer = Renewer::new(settings.clone(), case.clock.clone()).expect("starts");
    assert!(matches!(renewer.renew().await, Err(AcmeError::Authority(_))));
    settings.ca_file = Some(case.folder.path().join("absent.pem"));
    let mut renewer = Renewer::new(settings, case.clock.clone()).expect("starts");
    assert!(matches!(renewer.renew().await, Err(AcmeError::Authority(_))));
}

#[tokio::test]
async fn rubbish_in_the_cache_counts_as_nothing() {
    let mut case = Case::new().await;
    for name in ["acme-account.json", "acme-certificate.pem"] {
        std::fs::write(case.folder.path().join(name), "rubbish").expect("writes");
    }
    let mut renewer = case.renewer(&["mail.example.org"]);
    let _answering = case.answer_for(&renewer);
    renewer.renew().await.expect("a certificate");
    assert!(case.renewer(&["mail.example.org"]).issued.is_some());
}
