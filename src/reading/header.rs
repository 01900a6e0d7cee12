//! The header of a message, decoded leniently (RFC 2047, RFC 6532) and bounded.
//!
//! All fields of a name are read, not the first or the last: what another program shows is shown
//! here, too.

use super::{Note, Reading, line};
use mail_parser::parsers::MessageStream;
use mail_parser::{Address, Header, HeaderName, HeaderValue, Message};

/// An address and the name beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// The name, or nothing. The sender chose it: it may look like an address.
    pub name: String,
    /// The address, or nothing.
    pub address: String,
}

/// Fills in what the header says.
pub(super) fn read(octets: &[u8], message: &Message<'_>, reading: &mut Reading) {
    let [from, to, cc, reply_to] = ADDRESS_FIELDS.map(|name| mailboxes(message, &name));
    (reading.from, reading.to, reading.cc, reading.reply_to) = (from, to, cc, reply_to);
    reading.subject = line(message.subject().unwrap_or_default(), MAX_VALUE);
    reading.date = message.date().filter(|date| date.is_valid()).map(|date| date.to_timestamp());
    reading.message_id = message.message_id().map(|id| line(id, MAX_VALUE)).filter(|id| !id.is_empty());
    let fields = message.parts.first().map(|root| root.headers.as_slice()).unwrap_or_default();
    reading.header = fields.iter().take(MAX_FIELDS).map(|field| decoded(octets, field)).collect();
    let counts = [reading.from.len(), reading.to.len(), reading.cc.len(), reading.reply_to.len()];
    if fields.len() > MAX_FIELDS || counts.contains(&MAX_MAILBOXES) {
        reading.notes.push(Note::TooMany);
    }
}

fn mailboxes(message: &Message<'_>, name: &HeaderName<'static>) -> Vec<Mailbox> {
    let mut found = Vec::new();
    let fields = message.parts.first().map(|root| root.headers.as_slice()).unwrap_or_default();
    for field in fields.iter().filter(|field| field.name == *name) {
        match &field.value {
            HeaderValue::Address(Address::List(list)) => {
                found.extend(list.iter().map(mailbox).take(MAX_MAILBOXES))
            }
            HeaderValue::Address(Address::Group(groups)) => {
                let members = groups.iter().flat_map(|group| &group.addresses);
                found.extend(members.map(mailbox).take(MAX_MAILBOXES));
            }
            _ => {}
        }
    }
    found.truncate(MAX_MAILBOXES);
    found
}

fn mailbox(one: &mail_parser::Addr<'_>) -> Mailbox {
    let text =
        |value: &Option<std::borrow::Cow<'_, str>>| line(value.as_deref().unwrap_or_default(), MAX_NAME);
    Mailbox { name: text(&one.name), address: text(&one.address) }
}

fn decoded(octets: &[u8], field: &Header<'_>) -> (String, String) {
    let span = field.offset_start as usize..field.offset_end as usize;
    let written = octets.get(span).unwrap_or_default();
    let mut value = written[..written.len().min(MAX_VALUE)].to_vec();
    value.extend_from_slice(b"\r\n");
    let text = match MessageStream::new(&value).parse_unstructured() {
        HeaderValue::Text(text) => line(&text, MAX_VALUE),
        _ => String::new(),
    };
    (line(field.name.as_str(), MAX_NAME), text)
}

/// The fields that hold mailboxes.
const ADDRESS_FIELDS: [HeaderName<'static>; 4] =
    [HeaderName::From, HeaderName::To, HeaderName::Cc, HeaderName::ReplyTo];
/// Octets of a value.
const MAX_VALUE: usize = 8 << 10;
/// Octets of a field's name, of an address and of the name beside it.
const MAX_NAME: usize = 512;
/// Fields that are shown.
const MAX_FIELDS: usize = 1000;
/// Mailboxes of one kind that are shown.
const MAX_MAILBOXES: usize = 1000;
