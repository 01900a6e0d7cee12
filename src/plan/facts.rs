//! What a policy's matchers may know of a message. Fails closed: a value that is not beyond doubt
//! is unknown, and an unknown value matches nothing.

use crate::message::{Anatomy, header};
use crate::policy::when::Facts;
use std::time::Duration;

/// The facts of a message. `addressees` in the form of [`crate::names::Address::reveal`]; `age` is
/// the time since arrival. The results of DMARC and the spam filter are the filter's to fill in.
pub fn facts(bytes: &[u8], anatomy: &Anatomy, addressees: Vec<String>, age: Duration) -> Facts {
    Facts {
        sender: sender(bytes, anatomy),
        addressees,
        list_id: list_id(bytes, anatomy),
        dmarc: None,
        spam: None,
        octets: bytes.len() as u64,
        age: Some(age),
    }
}

fn sender(bytes: &[u8], anatomy: &Anatomy) -> Vec<String> {
    let value = only_value(bytes, anatomy, "From");
    let mailboxes = value.and_then(|value| header::mailboxes(value).ok()).unwrap_or_default();
    mailboxes.into_iter().map(|mailbox| mailbox.address.reveal()).collect()
}

/// RFC 2919 §2: `phrase <list-id>`.
fn list_id(bytes: &[u8], anatomy: &Anatomy) -> Option<String> {
    let text = header::text(only_value(bytes, anatomy, "List-Id")?).ok()?;
    let (_, id) = text.strip_suffix('>')?.split_once('<')?;
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+=".contains(&byte));
    (plain && !id.is_empty()).then(|| id.to_ascii_lowercase())
}

/// The value of a field that is there once and beyond doubt.
fn only_value<'a>(bytes: &'a [u8], anatomy: &'a Anatomy, name: &'a str) -> Option<&'a [u8]> {
    let mut fields = anatomy.named(bytes, 0, name);
    let field = fields.next()?;
    let clear = !anatomy.is_sealed() && field.anomalies.is_empty() && fields.next().is_none();
    clear.then(|| &bytes[field.value.clone()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::dissect;

    fn of(bytes: &[u8]) -> Facts {
        facts(bytes, &dissect(bytes), vec!["to@a.example".into()], Duration::ZERO)
    }

    #[test]
    fn plain_values_are_known() {
        let facts = of(b"From: Ann <Ann@A.Example>\r\nList-Id: News <News.a.example>\r\n\r\nx\r\n");
        assert_eq!(facts.sender, ["ann@a.example"]);
        assert_eq!(facts.list_id.as_deref(), Some("news.a.example"));
        assert_eq!((facts.octets, facts.age), (64, Some(Duration::ZERO)));
    }

    #[test]
    fn values_in_doubt_are_unknown() {
        for message in [
            &b"From: a@a.example\r\nFrom: b@a.example\r\n\r\n"[..],
            b"From: a@a.example (comment)\r\n\r\n",
            b"From: a@a.example\r\nno colon\r\n\r\n",
            b"Subject: x\r\n\r\n",
        ] {
            assert!(of(message).sender.is_empty());
        }
        let twice = of(b"List-Id: <a.b>\r\nList-Id: <c.d>\r\n\r\n");
        assert_eq!(twice.list_id, None);
    }
}
