//! SORT (RFC 5256 §3, RFC 5957): the order of messages by what the view shows of them; and what THREAD
//! takes from them. Texts compare without regard to case, as SEARCH has it.

use std::cmp::Ordering;

use icu_normalizer::DecomposingNormalizerBorrowed;

use super::room::{Account, AccountError, Depth};
use super::search::fold;
use super::thread::{self, Forest, Letter};
use crate::mailbox::{Entry, Roll};
use crate::structure::{Address, Octets, Structure, base_subject};
use crate::wire::imap::{SortCriterion, SortKey, Threading};

/// What a message is compared by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Number(i64),
    Text(Box<str>),
}

/// The positions of messages in the order of the criteria, the most important first. Equal ones are in the
/// order of their sequence numbers (RFC 5256 §3). Messages that cannot be opened compare as empty ones.
///
/// # Errors
/// The account's.
pub async fn sort<A: Account>(
    account: &mut A,
    roll: &Roll,
    found: Vec<usize>,
    criteria: &[SortCriterion],
) -> Result<Vec<usize>, AccountError> {
    let keys: Vec<SortKey> = criteria.iter().map(|criterion| criterion.key).collect();
    let entries = entries(roll, &found);
    let values: Vec<Vec<Value>> = if keys.iter().all(is_known) {
        entries.iter().map(|entry| values(&keys, entry, None)).collect()
    } else {
        let wanted = keys.clone();
        let look = move |entry: &Entry, sight: super::room::Sight<'_>| {
            values(&wanted, entry, Structure::decode(sight.structure).ok().as_ref())
        };
        let seen = account.scan(entries.clone(), Depth::Structure, look).await?;
        let unseen = |(entry, seen): (&Entry, Option<_>)| seen.unwrap_or_else(|| values(&keys, entry, None));
        entries.iter().zip(seen).map(unseen).collect()
    };
    let mut sorted: Vec<(usize, Vec<Value>)> = found.into_iter().zip(values).collect();
    sorted.sort_by(|one, other| compare(criteria, &one.1, &other.1).then(one.0.cmp(&other.0)));
    Ok(sorted.into_iter().map(|(position, _)| position).collect())
}

/// The threads of messages (RFC 5256 §3). `found` are rising positions; the forest knows messages by their
/// places in it.
///
/// # Errors
/// The account's.
pub async fn threads<A: Account>(
    account: &mut A,
    roll: &Roll,
    found: &[usize],
    algorithm: Threading,
) -> Result<Forest, AccountError> {
    let entries = entries(roll, found);
    let look = |entry: &Entry, sight: super::room::Sight<'_>| {
        Structure::decode(sight.structure)
            .map_or_else(|_| unknown(entry), |structure| letter(entry, &structure))
    };
    let seen = account.scan(entries.clone(), Depth::Structure, look).await?;
    let letters: Vec<Letter> =
        entries.iter().zip(seen).map(|(entry, seen)| seen.unwrap_or_else(|| unknown(entry))).collect();
    Ok(thread::threads(&letters, algorithm))
}

fn entries(roll: &Roll, positions: &[usize]) -> Vec<Entry> {
    positions.iter().filter_map(|position| roll.entries.get(*position)).copied().collect()
}

fn compare(criteria: &[SortCriterion], one: &[Value], other: &[Value]) -> Ordering {
    let each = criteria.iter().zip(one.iter().zip(other));
    let orders = each.map(|(criterion, (one, other))| {
        let order = one.cmp(other);
        if criterion.reverse { order.reverse() } else { order }
    });
    orders.fold(Ordering::Equal, Ordering::then)
}

/// Whether the roll has what this key compares.
fn is_known(key: &SortKey) -> bool {
    matches!(key, SortKey::Arrival | SortKey::Size)
}

fn values(keys: &[SortKey], entry: &Entry, structure: Option<&Structure<'_>>) -> Vec<Value> {
    keys.iter().map(|key| value(*key, entry, structure)).collect()
}

fn value(key: SortKey, entry: &Entry, structure: Option<&Structure<'_>>) -> Value {
    let envelope = structure.map(|structure| &structure.envelope);
    // RFC 5256 §3 asks for i;unicode-casemap (RFC 5051), which compares letters taken apart: é comes after e.
    let apart = |text: String| DecomposingNormalizerBorrowed::new_nfkd().normalize(&fold(&text)).into_owned();
    let text = |text: Option<String>| Value::Text(text.map(apart).unwrap_or_default().into());
    match key {
        SortKey::Arrival => Value::Number(entry.received),
        SortKey::Size => Value::Number(i64::try_from(entry.octets).unwrap_or(i64::MAX)),
        SortKey::Date => Value::Number(sent(entry, structure)),
        SortKey::Subject => text(structure.map(|structure| subject(structure).0)),
        SortKey::From => text(envelope.and_then(|envelope| mailbox(&envelope.from))),
        SortKey::To => text(envelope.and_then(|envelope| mailbox(&envelope.to))),
        SortKey::Cc => text(envelope.and_then(|envelope| mailbox(&envelope.cc))),
        SortKey::DisplayFrom => text(envelope.and_then(|envelope| display(&envelope.from))),
        SortKey::DisplayTo => text(envelope.and_then(|envelope| display(&envelope.to))),
    }
}

/// RFC 5256 §2.2.
fn sent(entry: &Entry, structure: Option<&Structure<'_>>) -> i64 {
    structure.and_then(|structure| structure.sent).map_or(entry.received, |sent| sent.unix)
}

/// The base subject, and whether it was that of a reply or forward.
fn subject(structure: &Structure<'_>) -> (String, bool) {
    structure.envelope.subject.as_ref().map(|subject| base_subject(&subject.text())).unwrap_or_default()
}

/// RFC 5256 §3: addr-mailbox of the first address, without its host.
fn mailbox(addresses: &[Address<'_>]) -> Option<String> {
    text(&addresses.first()?.mailbox)
}

/// RFC 5957 §3: the display name of the first address, or else the address.
fn display(addresses: &[Address<'_>]) -> Option<String> {
    let first = addresses.first()?;
    if let Some(name) = text(&first.name).filter(|name| !name.trim().is_empty()) {
        return Some(name);
    }
    match (text(&first.mailbox), text(&first.host)) {
        (Some(mailbox), Some(host)) => Some(format!("{mailbox}@{host}")),
        (mailbox, _) => mailbox,
    }
}

fn text(octets: &Option<Octets<'_>>) -> Option<String> {
    octets.as_ref().map(|octets| octets.text())
}

fn letter(entry: &Entry, structure: &Structure<'_>) -> Letter {
    let ids = structure.thread_ids();
    let is_made = structure.subject_is_made == Some(true);
    // What the policy wrote says the same of all mail of a domain: it joins nothing.
    let (subject, is_reply) = if is_made { Default::default() } else { subject(structure) };
    Letter {
        id: ids.id.map(Vec::into_boxed_slice),
        references: ids.ancestors.into_iter().map(Vec::into_boxed_slice).collect(),
        sent: sent(entry, Some(structure)),
        subject: fold(&subject),
        is_reply,
        is_made,
    }
}

/// Of a message that cannot be opened only the arrival is known.
fn unknown(entry: &Entry) -> Letter {
    Letter { sent: entry.received, ..Letter::default() }
}

#[cfg(test)]
mod tests;
