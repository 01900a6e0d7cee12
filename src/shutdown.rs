//! The life of the process: signals, what is still running, and what systemd is told (sd_notify(3)).
//!
//! SIGTERM and SIGINT stop it: listeners close at once, sessions finish, and what has not finished in
//! time is left. A second one does not wait. SIGHUP reads certificates again.

use std::future::Future;
use std::io;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Everything that runs until the server stops. Clones share it.
#[derive(Clone)]
pub struct Lifecycle {
    stop: CancellationToken,
    tasks: TaskTracker,
    hangups: watch::Sender<u64>,
}

/// How the end was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every task finished.
    Finished,
    /// That many tasks did not finish in time. What they had acknowledged is durable all the same.
    LeftOver(usize),
}

impl Lifecycle {
    /// Nothing runs yet.
    #[expect(clippy::new_without_default, reason = "there is one for the process, made where it starts")]
    pub fn new() -> Self {
        Self { stop: CancellationToken::new(), tasks: TaskTracker::new(), hangups: watch::Sender::new(0) }
    }

    /// Cancelled when the server stops.
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Changes with every SIGHUP.
    pub fn hangups(&self) -> watch::Receiver<u64> {
        self.hangups.subscribe()
    }

    /// Runs a task that the end waits for. A panic in it ends it alone.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Tells systemd that mail is taken, then returns at the first signal to stop, or once somebody else
    /// cancelled [`Lifecycle::stop`]. Needs a runtime with I/O.
    pub async fn until_stopped(&self) -> io::Result<()> {
        let mut signals = Signals::new()?;
        tell(&[NotifyState::Ready]);
        tokio::select! {
            () = self.stop.cancelled() => {}
            () = signals.until_stop(&self.hangups) => {}
        }
        tracing::info!("stopping");
        tell(&[NotifyState::Stopping]);
        self.stop.cancel();
        Ok(())
    }

    /// Waits for what is running, at most `patience` or until a second signal.
    pub async fn finish(&self, patience: Duration) -> Ended {
        self.stop.cancel();
        self.tasks.close();
        let impatient = async {
            match Signals::new() {
                Ok(mut signals) => signals.until_stop(&self.hangups).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.tasks.wait() => Ended::Finished,
            () = impatient => Ended::LeftOver(self.tasks.len()),
            () = tokio::time::sleep(patience) => Ended::LeftOver(self.tasks.len()),
        }
    }
}

/// Tells systemd a line that `systemctl status` shows; counts only, as in the trace.
pub fn tell_status(line: &str) {
    tell(&[NotifyState::Status(line)]);
}

/// Without systemd, or with one that does not listen, there is nobody to tell.
fn tell(state: &[NotifyState<'_>]) {
    if sd_notify::notify(state).is_err() {
        tracing::debug!("systemd does not listen");
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn until_stop(&mut self, hangups: &watch::Sender<u64>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => hangups.send_modify(|count| *count = count.wrapping_add(1)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_that_heed_the_stop_finish() {
        let life = Lifecycle::new();
        let stop = life.stop();
        life.spawn(async move { stop.cancelled().await });
        let waiting = life.clone();
        let until = tokio::spawn(async move { waiting.until_stopped().await });
        life.stop().cancel();
        until.await.expect("no panic").expect("signals can be heard");
        assert_eq!(life.finish(Duration::from_secs(10)).await, Ended::Finished);
    }

    #[tokio::test]
    async fn a_hangup_is_passed_on_and_stops_nothing() {
        // Before anything else: an unheard SIGHUP would end the test.
        let _heard = signal(SignalKind::hangup()).expect("signals can be heard");
        let life = Lifecycle::new();
        let mut hangups = life.hangups();
        let waiting = life.clone();
        let until = tokio::spawn(async move { waiting.until_stopped().await });
        while !hangups.has_changed().expect("the sender lives") {
            let this = rustix::process::getpid();
            rustix::process::kill_process(this, rustix::process::Signal::HUP).expect("it is us");
            tokio::task::yield_now().await;
        }
        hangups.mark_unchanged();
        assert!(!life.stop().is_cancelled());
        life.stop().cancel();
        until.await.expect("no panic").expect("signals can be heard");
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends() {
        let life = Lifecycle::new();
        life.spawn(std::future::pending());
        life.spawn(async {});
        assert_eq!(life.finish(Duration::from_secs(30)).await, Ended::LeftOver(1));
    }
}
