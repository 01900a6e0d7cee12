//! Where unlock sessions are kept between commands: one file for each server and login in the person's
//! runtime folder, mode 0600. A file is worth nothing once the server has ended the session.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::terminal::Failed;
use crate::admin::api::Secret;

/// A session that `veilpost unlock` has kept.
#[derive(Deserialize, Serialize)]
pub struct Kept {
    /// The administration socket of its server.
    pub socket: PathBuf,
    /// Whose it is.
    pub login: String,
    /// What the server asks for.
    pub session: Secret,
    /// When it ends, as the server said when it was opened (RFC 3339).
    pub until: String,
}

impl Kept {
    /// Keeps it, in the place of an older one of the same login.
    pub fn store(&self) -> Result<(), Failed> {
        let path = file(&self.socket, &self.login)?;
        let folder = path.parent().map_or(Path::new("."), |folder| folder);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let _ = fs::remove_file(&path);
        let text = zeroize::Zeroizing::new(serde_json::to_vec(self).map_err(Failed::new)?);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(file.write_all(&text)?)
    }

    /// Takes it away from here; the server is not told.
    pub fn forget(&self) {
        if let Ok(path) = file(&self.socket, &self.login) {
            let _ = fs::remove_file(path);
        }
    }

    /// Whether it is the session of `login` (logins are addresses: case does not tell them apart).
    pub fn is_of(&self, login: &str) -> bool {
        same_login(&self.login) == same_login(login)
    }

    /// A copy of what the server asks for.
    pub fn secret(&self) -> Secret {
        Secret::new(self.session.expose().to_owned())
    }
}

/// All sessions that are kept here, by server and login.
pub fn all() -> Vec<Kept> {
    let Ok(folder) = folder() else { return Vec::new() };
    let files = fs::read_dir(folder.join(SESSIONS)).into_iter().flatten().flatten();
    let mut found: Vec<Kept> = files.filter_map(|entry| read(&entry.path())).collect();
    found.sort_by(|one, other| (&one.socket, &one.login).cmp(&(&other.socket, &other.login)));
    found
}

/// Those of the server at `socket`.
pub fn of_server(socket: &Path) -> Vec<Kept> {
    let socket = real(socket);
    all().into_iter().filter(|kept| kept.socket == socket).collect()
}

/// The session that version 0.1 kept in one file, without its server and login.
pub fn without_a_name() -> Option<Secret> {
    fs::read_to_string(folder().ok()?.join(OLD)).ok().map(Secret::new)
}

/// Takes that file away.
pub fn forget_without_a_name() {
    if let Ok(folder) = folder() {
        let _ = fs::remove_file(folder.join(OLD));
    }
}

/// A socket's one name.
pub fn real(socket: &Path) -> PathBuf {
    let known = socket.canonicalize().or_else(|_| std::path::absolute(socket));
    known.unwrap_or_else(|_| socket.to_owned())
}

fn read(path: &Path) -> Option<Kept> {
    let text = zeroize::Zeroizing::new(fs::read(path).ok()?);
    serde_json::from_slice(&text).ok()
}

/// Paths and addresses are longer and freer than names of files, so the name is a digest.
fn file(socket: &Path, login: &str) -> Result<PathBuf, Failed> {
    let mut digest = Sha256::new();
    digest.update(socket.as_os_str().as_encoded_bytes());
    digest.update([0]);
    digest.update(same_login(login));
    Ok(folder()?.join(SESSIONS).join(HEXLOWER.encode(&digest.finalize()[..16])))
}

fn same_login(login: &str) -> String {
    crate::names::Address::parse(login).map_or_else(|_| login.to_lowercase(), |address| address.reveal())
}

fn folder() -> Result<PathBuf, Failed> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let folder = runtime.or_else(home).ok_or_else(|| {
        Failed::new(io::Error::other("there is no place to keep the session"))
            .hint("set XDG_RUNTIME_DIR or HOME to a folder of yours")
    })?;
    Ok(folder.join("veilpost"))
}

const SESSIONS: &str = "sessions";
const OLD: &str = "session";
