//! What the server can do, as each state of a session says it (RFC 9051 §6.1.1).

use std::borrow::Cow;

use super::Settings;
use super::channel::Channel;

/// The capabilities of a session that has not logged in.
pub(super) fn before_login(channel: &Channel, settings: &Settings) -> Vec<&'static str> {
    let mut capabilities = ALWAYS.to_vec();
    if channel.is_protected(settings.protection) {
        capabilities.extend(["AUTH=PLAIN", "AUTH=LOGIN"]);
    } else {
        capabilities.extend(settings.tls.is_some().then_some("STARTTLS"));
        capabilities.push("LOGINDISABLED");
    }
    capabilities
}

/// The capabilities of a session that has logged in.
pub(super) fn after_login(channel: &Channel, settings: &Settings) -> Vec<Cow<'static, str>> {
    let mut capabilities: Vec<Cow<'static, str>> =
        [ALWAYS, AFTER_LOGIN].concat().into_iter().map(Cow::Borrowed).collect();
    capabilities.push(format!("APPENDLIMIT={}", settings.append_limit).into());
    // RFC 4978 §3: no longer once it is on.
    if settings.compress && !channel.is_compressed() {
        capabilities.push("COMPRESS=DEFLATE".into());
    }
    capabilities
}

const ALWAYS: &[&str] = &["IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID", "ENABLE"];
const AFTER_LOGIN: &[&str] = &[
    "IDLE",
    "NAMESPACE",
    "CHILDREN",
    "LIST-EXTENDED",
    "LIST-STATUS",
    "SPECIAL-USE",
    "STATUS=SIZE",
    "UNSELECT",
    "UIDPLUS",
    "MOVE",
    "CONDSTORE",
    "QRESYNC",
    "ESEARCH",
    "SEARCHRES",
    "WITHIN",
    "PARTIAL",
    "SORT",
    "ESORT",
    "SORT=DISPLAY",
    "THREAD=ORDEREDSUBJECT",
    "THREAD=REFERENCES",
    "BINARY",
    "PREVIEW",
    "OBJECTID",
    "SAVEDATE",
    "QUOTA",
    "QUOTA=RES-STORAGE",
    "QUOTA=RES-MESSAGE",
    "UTF8=ACCEPT",
];
