//! The paths of MAIL and RCPT (RFC 5321 §4.1.2).
//!
//! An address counts only when two readings of it agree: smtp-proto's, which unquotes, skips
//! source routes and answers the same for `<>` and `<postmaster>`, and `Address::parse` on the
//! text between the angle brackets. What one of them would mend is refused.

use crate::names::Address;

/// A mailbox that a peer named: the address as compared, and as the peer spelled it. The spelling
/// is kept because a sender's local part may tell upper from lower case (RFC 5321 §2.4), as
/// those of variable envelope return paths do.
#[derive(Clone, PartialEq, Eq)]
pub struct Mailbox {
    address: Address,
    spelled: String,
}

impl Mailbox {
    /// Parses `local@domain`. `None` when it is no address.
    pub fn parse(text: &str) -> Option<Self> {
        let address = Address::parse(text).ok()?;
        Some(Self { address, spelled: text.to_owned() })
    }

    /// The address, in the form for comparison.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The address as the peer spelled it: for trace fields and for DSNs.
    pub fn spelled(&self) -> &str {
        &self.spelled
    }
}

impl std::fmt::Debug for Mailbox {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Mailbox(..)")
    }
}

/// Where RCPT wants a message to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardPath {
    /// A mailbox with a domain.
    Mailbox(Mailbox),
    /// `<postmaster>`, which needs no domain (RFC 5321 §4.5.1).
    Postmaster,
    /// A mailbox at an address literal, `user@[192.0.2.1]` (RFC 5321 §4.1.3). Nobody has one here.
    Literal,
}

/// A command line cut at its angle brackets.
pub(super) struct PathLine<'a> {
    /// What stands between the brackets.
    pub path: &'a str,
    /// The line up to the closing bracket, with it.
    pub head: &'a str,
    /// The parameters.
    pub parameters: Vec<&'a str>,
}

/// Cuts `MAIL FROM:<path> parameters`. `None` when there are no brackets, the path is too long, or
/// something clings to the closing bracket.
pub(super) fn cut(line: &str) -> Option<PathLine<'_>> {
    let open = line.find('<')?;
    let close = open + line[open..].find('>')?;
    let (head, rest) = line.split_at(close + 1);
    if head.len() - open > MAX_PATH || !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    Some(PathLine { path: &line[open + 1..close], head, parameters: rest.split_ascii_whitespace().collect() })
}

/// The reverse path; `Some(None)` is the null one. `read` is smtp-proto's reading.
pub(super) fn reverse(path: &str, read: &str) -> Option<Option<Mailbox>> {
    if path.is_empty() {
        return read.is_empty().then_some(None);
    }
    mailbox(path, read).map(Some)
}

/// The forward path. `read` is smtp-proto's reading.
pub(super) fn forward(path: &str, read: &str) -> Option<ForwardPath> {
    if path.eq_ignore_ascii_case("postmaster") {
        return read.is_empty().then_some(ForwardPath::Postmaster);
    }
    mailbox(path, read).map(ForwardPath::Mailbox)
}

/// Whether the path ends in an address literal. smtp-proto refuses these as malformed.
pub(super) fn is_literal(path: &str) -> bool {
    path.ends_with(']') && path.rsplit_once('@').is_some_and(|(_, domain)| domain.starts_with('['))
}

fn mailbox(path: &str, read: &str) -> Option<Mailbox> {
    let found = Mailbox::parse(without_route(path))?;
    let agrees = Address::parse(read).is_ok_and(|read| read == found.address);
    agrees.then_some(found)
}

/// Source routes are read and ignored (RFC 5321 §4.1.1.3, appendix C).
fn without_route(path: &str) -> &str {
    match path.split_once(':') {
        Some((route, rest)) if route.starts_with('@') => rest,
        _ => path,
    }
}

/// RFC 5321 §4.5.3.1.3, in octets, with the brackets.
const MAX_PATH: usize = 256;
