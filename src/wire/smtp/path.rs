//! The paths of MAIL and RCPT (RFC 5321 §4.1.2).
//!
//! A forward path counts only when two readings of it agree: smtp-proto's, which unquotes, skips
//! source routes and answers the same for `<>` and `<postmaster>`, and `Address::parse` on the
//! text between the angle brackets. What one of them would mend is refused. Nobody is looked up by a
//! reverse path: it is kept as it came, if it has a form that mail in the world has and can stand in
//! a header field.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::names::Address;

/// A mailbox that a peer named: the address as compared, and as the peer spelled it.
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

/// A reverse path that is not null, as the peer spelled it, without brackets and source route. Its local
/// part may tell upper from lower case (RFC 5321 §2.4), as those of variable envelope return paths do.
///
/// Beyond RFC 5321's dot-atoms, quoted strings, domains and address literals it may be what is in use in
/// spite of it: dots at the ends of the local part or two together, underscores and hyphens anywhere in the
/// domain, a local part of more than 64 octets. It is printable and holds no bracket outside quotes.
#[derive(Clone, PartialEq, Eq)]
pub struct ReversePath(String);

impl ReversePath {
    /// Reads the text between the brackets. `None` when no answer could be sent there.
    pub fn parse(text: &str) -> Option<Self> {
        let text = without_route(text);
        let (_, domain) = sides(text)?;
        let fits = is_literal_domain(domain) || is_name(domain);
        (fits && text.len() <= MAX_PATH - 2).then(|| Self(text.to_owned()))
    }

    /// The path as the peer spelled it: for trace fields and for DSNs.
    pub fn spelled(&self) -> &str {
        &self.0
    }

    /// The address in the form for comparison; none for one at an address literal, or at a domain that is
    /// no domain name.
    pub fn address(&self) -> Option<Address> {
        let (local, domain) = sides(&self.0)?;
        Address::parse(&self.0).or_else(|_| Address::unusual(local, domain)).ok()
    }
}

impl std::fmt::Debug for ReversePath {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("ReversePath(..)")
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
    /// The line up to the opening bracket.
    pub verb: &'a str,
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
    let close = open + closing_bracket(&line[open..])?;
    let (head, rest) = line.split_at(close + 1);
    if head.len() - open > MAX_PATH || !(rest.is_empty() || rest.starts_with(' ')) {
        return None;
    }
    Some(PathLine {
        verb: &line[..open],
        path: &line[open + 1..close],
        head,
        parameters: rest.split_ascii_whitespace().collect(),
    })
}

/// A bracket in a quoted local part ends nothing (RFC 5321 §4.1.2).
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The reverse path; `Some(None)` is the null one.
pub(super) fn reverse(path: &str) -> Option<Option<ReversePath>> {
    if path.is_empty() {
        return Some(None);
    }
    ReversePath::parse(path).map(Some)
}

/// The forward path. `read` is smtp-proto's reading.
pub(super) fn forward(path: &str, read: &str) -> Option<ForwardPath> {
    if path.eq_ignore_ascii_case("postmaster") {
        return read.is_empty().then_some(ForwardPath::Postmaster);
    }
    let found = Mailbox::parse(without_route(path))?;
    let agrees = Address::parse(read).is_ok_and(|read| read == found.address);
    agrees.then_some(ForwardPath::Mailbox(found))
}

/// A forward path whose form is legal or in use, and which nobody can be given here: at an address literal,
/// or with a local part that needs quotes. A catch-all takes the latter.
pub(super) fn unusual(path: &str) -> Option<ForwardPath> {
    let path = without_route(path);
    let (local, domain) = sides(path)?;
    if is_literal_domain(domain) {
        return Some(ForwardPath::Literal);
    }
    if Address::parse(path).is_ok() {
        return None;
    }
    let address = Address::unusual(local, domain).ok()?;
    Some(ForwardPath::Mailbox(Mailbox { address, spelled: path.to_owned() }))
}

/// Local part and domain, if the former is a quoted string or free of what means something else.
fn sides(text: &str) -> Option<(&str, &str)> {
    let end = if text.starts_with('"') { quoted_end(text)? } else { text.find('@')? };
    let (local, rest) = text.split_at(end);
    let fits = local.starts_with('"') || (!local.is_empty() && local.chars().all(is_plain));
    fits.then(|| rest.strip_prefix('@'))?.map(|domain| (local, domain))
}

/// Where the quoted string that `text` begins with ends (RFC 5321 §4.1.2, RFC 6531 §3.3).
fn quoted_end(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if letter != ' ' && !is_visible(letter) => return None,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// RFC 5322 §3.2.3: what is no special stands for itself, dots wherever they are.
fn is_plain(letter: char) -> bool {
    is_visible(letter) && !r#""\()<>,;:[]@"#.contains(letter)
}

/// Neither a blank nor a control character, nor what may become one: a line separator.
fn is_visible(letter: char) -> bool {
    !letter.is_whitespace() && !letter.is_control()
}

/// RFC 5321 §4.1.3.
fn is_literal_domain(domain: &str) -> bool {
    let Some(inner) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return false;
    };
    match inner.split_once(':') {
        None => inner.parse::<Ipv4Addr>().is_ok(),
        Some((tag, rest)) if tag.eq_ignore_ascii_case("ipv6") => rest.parse::<Ipv6Addr>().is_ok(),
        Some((tag, rest)) => is_tag(tag) && !rest.is_empty() && rest.bytes().all(is_dcontent),
    }
}

/// RFC 5321 §4.1.2, `Ldh-str`.
fn is_tag(tag: &str) -> bool {
    !tag.is_empty()
        && !tag.ends_with('-')
        && tag.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
}

/// RFC 5321 §4.1.3.
fn is_dcontent(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'[' | b'\\' | b']')
}

/// A domain name as the DNS may hold it, underscores and all, or one of U-labels; a dot may end it.
fn is_name(domain: &str) -> bool {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let is_letter = |letter: char| match letter.is_ascii() {
        true => letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'),
        false => is_visible(letter),
    };
    domain.len() <= MAX_DOMAIN
        && domain
            .split('.')
            .all(|label| (1..=MAX_LABEL).contains(&label.len()) && label.chars().all(is_letter))
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
/// RFC 5321 §4.5.3.1.2, in octets.
const MAX_DOMAIN: usize = 255;
/// RFC 1035 §2.3.4, in octets.
const MAX_LABEL: usize = 63;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reverse_paths_are_kept_as_they_came() {
        let long = format!("{}@b.example", "v".repeat(200));
        for text in [
            r#""foo..bar"@sender.test"#,
            r#""ann b"@sender.test"#,
            r#""a>b,<c>@d\"\\"@sender.test"#,
            r#"""@sender.test"#,
            "cron@[192.0.2.7]",
            "cron@[IPv6:2001:db8::7]",
            "cron@[ipv6:::1]",
            "cron@[x-tag:some.thing]",
            "foo..bar@docomo.example",
            ".foo@docomo.example",
            "foo.@docomo.example",
            "root@_mail._host.example",
            "root@-odd-.example",
            "root@localhost",
            "root@host.example.",
            "bounce+ann=b.example@List.example",
            "用户@例子.example",
            "\"J\u{fc}rgen L\"@b.example",
            long.as_str(),
        ] {
            let path = ReversePath::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(path.spelled(), text);
        }
        let routed = ReversePath::parse("@a.example,@b.example:ann@c.example").expect("a path");
        assert_eq!(routed.spelled(), "ann@c.example");
    }

    #[test]
    fn what_no_answer_could_be_sent_to_is_no_path() {
        let long = format!("{}@b.example", "v".repeat(250));
        let label = format!("a@{}.example", "l".repeat(64));
        for text in [
            "ann",
            "@b.example",
            "ann@",
            "ann@b..example",
            "ann@.example",
            "ann@b@c.example",
            "ann b@c.example",
            "an\"n\"@c.example",
            "\"ann\"x@c.example",
            "\"ann@c.example",
            "\"ann\\\"@c.example",
            "a<b>@c.example",
            "ann@b example",
            "ann@[192.0.2.256]",
            "ann@[IPv6:2001:db8::7::1]",
            "ann@[192.0.2.1",
            "ann@[]",
            "ann@[tag:]",
            "ann@[tag:a[b]",
            "a\u{2028}b@c.example",
            "\"a\u{85}b\"@c.example",
            "a\u{a0}b@c.example",
            long.as_str(),
            label.as_str(),
        ] {
            assert!(ReversePath::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn forms_of_one_sender_compare_alike() {
        let address = |text: &str| ReversePath::parse(text).and_then(|path| path.address());
        assert_eq!(address("\"Foo..Bar\"@B.example"), address("foo..bar@b.example"));
        assert_eq!(address("\"ann\"@b.example"), address("Ann@b.example"));
        assert_eq!(address("\"a\\nn\"@b.example"), address("ann@b.example"));
        assert!(address("ann@[192.0.2.1]").is_none());
    }

    #[test]
    fn brackets_in_quotes_end_no_path() {
        let cut = cut(r#"MAIL FROM:<"a>b\">"@c.example> SIZE=1"#).expect("a path");
        assert_eq!((cut.verb, cut.path), ("MAIL FROM:", r#""a>b\">"@c.example"#));
        assert_eq!(cut.parameters, ["SIZE=1"]);
    }
}
