//! Silence, slowness, shutdown, and what a session costs while it waits.

use std::time::Duration;

use veilpost::gateway::pop3::{Delay, SessionEnd, Settings};

use super::fakes::Fake;
use super::stage::{Door, Stage, settings};

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_silent_client_is_dropped_before_login() {
    let settings = Settings { login_time: SHORT, ..settings() };
    let mut stage = Stage::open(Door::Tls, Fake::default(), settings).await;
    let mut client = stage.client().await;
    assert_eq!(client.rest().await, "");
    assert_eq!(stage.end().await, SessionEnd::TimedOut);
}

#[tokio::test]
async fn talk_does_not_stretch_the_time_before_login() {
    let settings = Settings { login_time: SHORT, ..settings() };
    let mut stage = Stage::open(Door::Tls, Fake::default(), settings).await;
    let mut client = stage.client().await;
    client.send(b"CA").await;
    assert_eq!(client.rest().await, "");
    assert_eq!(stage.end().await, SessionEnd::TimedOut);
}

#[tokio::test]
async fn an_idle_session_ends_without_a_word_and_without_deleting() {
    let fake = Fake::with([b"x".to_vec()]);
    let settings = Settings { inactivity: SHORT, ..settings() };
    let mut stage = Stage::open(Door::Tls, fake.clone(), settings).await;
    let mut client = stage.logged_in().await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    assert_eq!(client.rest().await, "");
    assert_eq!(stage.end().await, SessionEnd::TimedOut);
    assert_eq!(fake.present(), 1);
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_dropped() {
    let fake = Fake::with([vec![b'x'; 64 * 1024 * 1024]]);
    let settings = Settings { patience: SHORT, ..settings() };
    let mut stage = Stage::open(Door::Tls, fake, settings).await;
    let mut client = stage.logged_in().await;
    client.send(b"RETR 1\r\n").await;
    assert_eq!(stage.end().await, SessionEnd::TimedOut);
}

#[tokio::test]
async fn a_shutdown_is_told_and_deletes_nothing() {
    let fake = Fake::with([b"x".to_vec()]);
    let mut stage = Stage::open(Door::Tls, fake.clone(), settings()).await;
    let mut client = stage.logged_in().await;
    assert!(client.ask("DELE 1").await.starts_with("+OK"));
    let mut stranger = stage.client().await;
    stage.shutdown.cancel();
    for client in [&mut client, &mut stranger] {
        assert_eq!(client.rest().await, "-ERR [SYS/TEMP] shutting down\r\n");
        assert_eq!(stage.end().await, SessionEnd::Shutdown);
    }
    assert_eq!(fake.present(), 1);
}

#[tokio::test]
async fn a_refusal_takes_its_time() {
    let delay = Delay { least: SHORT, spread: Duration::ZERO };
    let stage =
        Stage::open(Door::Tls, Fake::default(), Settings { refusal_delay: delay, ..settings() }).await;
    let mut client = stage.client().await;
    client.ask("USER x").await;
    let before = std::time::Instant::now();
    client.ask("PASS y").await;
    assert!(before.elapsed() >= SHORT);
}
