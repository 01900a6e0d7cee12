//! Refused logins in the log, in one form for all protocols: `login refused protocol=imap peer=192.0.2.7`.
//!
//! `dist/fail2ban/` reads these lines, so their form is part of the product. Nothing that the other side
//! chose is in them: no name, no password, so that nobody can write an innocent's address into them.

use crate::audit::Origin;

/// Writes the line. `protocol` is a word of this program's.
pub fn refused(protocol: &'static str, origin: Origin) {
    match origin {
        Origin::Ip { address } => {
            tracing::warn!(target: "veilpost::login", %protocol, peer = %address.to_canonical(), "login refused");
        }
        // Nobody who could be kept out by an address.
        _ => tracing::warn!(target: "veilpost::login", %protocol, peer = %"local", "login refused"),
    }
}
