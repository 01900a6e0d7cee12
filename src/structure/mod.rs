//! What a mail client learns of a message without fetching it: envelope, tree of parts, preview
//! (RFC 9051 §7.5.2, RFC 8970), and where in the octets each part lies.
//!
//! It is made once, from the octets of a *rendered view*, when the message is sealed, and lies in the
//! view's manifest. So it is a function of the view alone (law 2), and serving parses no mail.
//!
//! Whoever has a structure may fetch all octets it was made from, so nothing hangs on how doubtful mail
//! is read here; the masks, which do hang on it, are `plan`'s affair and read strictly. One definite
//! reading is taken, the one most IMAP clients meet elsewhere: headers end at the first empty line,
//! Content-Type counts without MIME-Version, delimiters are told by their beginning (RFC 2046 §5.1.1).
//! What has no definite reading (a multipart without a boundary, an encoded message, whatever lies beyond
//! the limits) is one opaque part, application/octet-stream, and never a guess at what may be inside.

mod address;
mod charset;
mod codec;
mod date;
mod field;
mod html;
mod mime;
mod model;
mod preview;
mod section;
mod subject;
mod thread;
mod tree;
mod words;

pub use codec::StructureError;
pub use field::filter as fields;
pub use model::{Address, Disposition, Envelope, Node, Octets, Parameter, Part, SentDate, Span, Structure};
pub use section::{Section, UnknownCte};
pub use subject::base_subject;
pub use thread::ThreadIds;
pub use words::header_block;

/// The structure of a view's octets, encoded: what a manifest keeps.
pub fn structure_of(octets: &[u8]) -> Vec<u8> {
    Structure::of(octets).encode()
}

/// The same for a view whose policy may have written the subject: such a subject tells nothing of what belongs
/// together, so THREAD does not join by it.
pub fn structure_of_masked(octets: &[u8], subject_is_made: bool) -> Vec<u8> {
    let subject_is_made = subject_is_made.then_some(true);
    Structure { subject_is_made, ..Structure::of(octets) }.encode()
}

#[cfg(test)]
mod tests;
