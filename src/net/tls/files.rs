//! Certificate files that somebody else renews: looked at every minute, read again when they change.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{Certificate, ServerTls, TlsError};

/// The two PEM files of a certificate, and how they looked when they were last read.
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
    seen: Option<[Stamp; 2]>,
}

/// What a look at the files led to.
#[derive(Debug)]
pub enum Reload {
    /// They are as before.
    Unchanged,
    /// The new certificate is in use.
    Swapped,
    /// They changed and are not usable, so the old certificate stays.
    Kept(TlsError),
}

impl Files {
    /// Reads the files for the first time; here a broken certificate is an error.
    pub fn load(certificate: &Path, key: &Path) -> Result<(Self, Certificate), TlsError> {
        let seen = stamps(certificate, key);
        let loaded = read(certificate, key)?;
        Ok((Self { certificate: certificate.to_owned(), key: key.to_owned(), seen }, loaded))
    }

    /// Looks whether the files changed, and if so hands `tls` the new certificate.
    pub fn poll(&mut self, tls: &ServerTls) -> Reload {
        // Before reading: what changes in between is seen the next time.
        let stamps = stamps(&self.certificate, &self.key);
        if stamps == self.seen {
            return Reload::Unchanged;
        }
        self.seen = stamps;
        self.reload(tls)
    }

    /// Reads the files even if they look unchanged.
    pub fn reload(&mut self, tls: &ServerTls) -> Reload {
        match read(&self.certificate, &self.key) {
            Ok(certificate) => {
                tls.swap(certificate);
                Reload::Swapped
            }
            Err(error) => Reload::Kept(error),
        }
    }

    /// Polls every minute and reloads on each change of `hangups`, until `stop`.
    pub async fn watch(mut self, tls: ServerTls, mut hangups: watch::Receiver<u64>, stop: CancellationToken) {
        let mut minutes = tokio::time::interval(POLL_EVERY);
        minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let outcome = tokio::select! {
                () = stop.cancelled() => return,
                _ = minutes.tick() => self.poll(&tls),
                Ok(()) = hangups.changed() => self.reload(&tls),
            };
            trace(&outcome, &tls);
        }
    }
}

fn trace(outcome: &Reload, tls: &ServerTls) {
    match outcome {
        Reload::Unchanged => {}
        Reload::Swapped => tracing::info!(not_after = tls.not_after().unix(), "certificate: read again"),
        Reload::Kept(error) => {
            tracing::error!(%error, "certificate: the new one is broken, the old one stays")
        }
    }
}

fn read(certificate: &Path, key_file: &Path) -> Result<Certificate, TlsError> {
    let chain = read_limited(certificate)?;
    let key = read_limited(key_file)?;
    Certificate::from_pem(&chain, &key).map_err(|error| error.in_files(certificate, key_file))
}

fn read_limited(path: &Path) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    // Room for all of it at once: a growing vector would leave copies of the key behind.
    let mut content = Zeroizing::new(Vec::with_capacity(MAX_FILE + 1));
    file.take(MAX_FILE as u64 + 1).read_to_end(&mut content).map_err(unreadable)?;
    if content.len() > MAX_FILE {
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, "larger than any certificate")));
    }
    Ok(content)
}

/// Device, inode, length, change time in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

fn stamps(certificate: &Path, key: &Path) -> Option<[Stamp; 2]> {
    let stamp = |file: Metadata| (file.dev(), file.ino(), file.len(), file.mtime(), file.mtime_nsec());
    // Through symbolic links, which is how certbot swaps its files.
    let of = |path: &Path| std::fs::metadata(path).ok().map(stamp);
    Some([of(certificate)?, of(key)?])
}

const POLL_EVERY: Duration = Duration::from_secs(60);
/// Octets; a chain of ten certificates has about 20,000.
const MAX_FILE: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use super::super::testing::{client, handshake};
    use super::super::{Inside, self_signed};
    use super::*;
    use crate::clock::Clock;

    struct Case {
        folder: tempfile::TempDir,
        chain: String,
    }

    impl Case {
        fn new() -> Self {
            let mut case =
                Self { folder: tempfile::tempdir().expect("a temporary folder"), chain: String::new() };
            case.renew("one.example.org");
            case
        }

        fn paths(&self) -> (PathBuf, PathBuf) {
            (self.folder.path().join("chain.pem"), self.folder.path().join("key.pem"))
        }

        fn renew(&mut self, name: &str) {
            let (chain, key) = self_signed(&[name], Clock::system().now()).expect("makes one");
            crate::private_file::replace(&self.paths().0, chain.as_bytes()).expect("writes");
            crate::private_file::replace(&self.paths().1, key.expose().as_bytes()).expect("writes");
            self.chain = chain;
        }

        fn load(&self) -> (Files, ServerTls) {
            let (certificate, key) = self.paths();
            let (files, certificate) = Files::load(&certificate, &key).expect("loads");
            (files, ServerTls::new(certificate))
        }
    }

    #[tokio::test]
    async fn a_renewed_certificate_is_served_without_a_restart() {
        let mut case = Case::new();
        let (mut files, tls) = case.load();
        let settings = tls.config(Inside::Pop3).expect("settings");
        assert!(matches!(files.poll(&tls), Reload::Unchanged));
        case.renew("two.example.org");
        assert!(matches!(files.poll(&tls), Reload::Swapped));
        assert!(matches!(files.poll(&tls), Reload::Unchanged));
        handshake(settings, client(&case.chain, &[]), "two.example.org").await.expect("sees the new one");
    }

    #[test]
    fn the_old_certificate_stays_when_the_new_one_is_broken() {
        let mut case = Case::new();
        let (mut files, tls) = case.load();
        std::fs::write(case.paths().0, "rubbish").expect("writes");
        assert!(matches!(files.poll(&tls), Reload::Kept(TlsError::InFile { .. })));
        assert!(tls.covers("one.example.org"));
        std::fs::remove_file(case.paths().1).expect("removes");
        assert!(matches!(files.poll(&tls), Reload::Kept(TlsError::Unreadable { .. })));
        case.renew("two.example.org");
        assert!(matches!(files.poll(&tls), Reload::Swapped));
        assert!(tls.covers("two.example.org"));
    }

    #[tokio::test]
    async fn a_hangup_reloads_at_once() {
        let mut case = Case::new();
        let (files, tls) = case.load();
        let (hangup, hangups) = watch::channel(0);
        let stop = CancellationToken::new();
        let watching = tokio::spawn(files.watch(tls.clone(), hangups, stop.clone()));
        case.renew("two.example.org");
        hangup.send_modify(|count| *count += 1);
        while !tls.covers("two.example.org") {
            tokio::task::yield_now().await;
        }
        stop.cancel();
        watching.await.expect("ends");
    }

    #[test]
    fn a_file_of_any_size_is_no_certificate() {
        let case = Case::new();
        let (certificate, key) = case.paths();
        std::fs::write(&certificate, vec![b'x'; MAX_FILE + 1]).expect("writes");
        assert!(matches!(Files::load(&certificate, &key), Err(TlsError::Unreadable { .. })));
    }
}
