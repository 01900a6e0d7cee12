//! SELECT and EXAMINE with what `imap-codec` does not take: a mod-sequence or UIDVALIDITY of 0, which clients
//! without either send (RFC 7162 §7 has neither), and QRESYNC without one of its pairs of brackets.

use super::argument::Argument;
use super::cursor::Cursor;
use super::parse::Parsed;
use super::{CommandBody, Numbers, Qresync, SelectMode};

/// `SELECT mailbox [(parameter …)]`, from behind the verb.
pub(super) fn parse(mut cursor: Cursor<'_>, mode: SelectMode) -> Parsed<CommandBody> {
    cursor.space()?;
    let path = cursor.mailbox()?;
    let mut parameters = Parameters::default();
    if cursor.left() > 0 {
        cursor.space()?;
        parameters.read_all(&mut cursor)?;
    }
    let Parameters { condstore, qresync } = parameters;
    Ok(CommandBody::Select { path, mode, condstore, qresync })
}

#[derive(Default)]
struct Parameters {
    condstore: bool,
    qresync: Option<Qresync>,
}

impl Parameters {
    fn read_all(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        let bracketed = cursor.skip(b'(');
        loop {
            self.read(cursor)?;
            if bracketed && cursor.skip(b')') {
                return cursor.end();
            }
            if !bracketed && cursor.left() == 0 {
                return Ok(());
            }
            cursor.space()?;
        }
    }

    fn read(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        match cursor.name().as_deref() {
            Ok("CONDSTORE") => self.condstore = true,
            Ok("QRESYNC") if self.qresync.is_none() => {
                cursor.space()?;
                self.qresync = Some(qresync(cursor)?);
            }
            _ => return Err(Argument::SelectParameter.into()),
        }
        Ok(())
    }
}

/// `(uidvalidity mod-sequence [known-uids] [(sequence-numbers uids)])`
fn qresync(cursor: &mut Cursor<'_>) -> Parsed<Qresync> {
    let bracketed = cursor.skip(b'(');
    let uid_validity = u32::try_from(number(cursor)?).map_err(|_| Argument::Qresync)?;
    cursor.space()?;
    let mod_seq = number(cursor)?;
    let mut known = Qresync { uid_validity, mod_seq, known: None, matched: None };
    if is_next(cursor, |octet| octet.is_ascii_digit()) {
        cursor.space()?;
        known.known = Some(numbers(cursor)?);
    }
    if is_next(cursor, |octet| octet == b'(') {
        cursor.space()?;
        cursor.octet(b'(')?;
        let sequences = numbers(cursor)?;
        cursor.space()?;
        known.matched = Some((sequences, numbers(cursor)?));
        closed(cursor)?;
    }
    if bracketed {
        closed(cursor)?;
    }
    Ok(known)
}

fn number(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    cursor.number64().map_err(|_| Argument::Qresync.into())
}

/// RFC 7162 §7: neither `*` nor `$` is allowed in what a client knows.
fn numbers(cursor: &mut Cursor<'_>) -> Parsed<Numbers> {
    match cursor.numbers() {
        Ok(Numbers::Set(set)) if set.iter().all(|element| element.from.and(element.to).is_some()) => {
            Ok(Numbers::Set(set))
        }
        _ => Err(Argument::Qresync.into()),
    }
}

fn closed(cursor: &mut Cursor<'_>) -> Parsed<()> {
    cursor.octet(b')').map_err(|_| Argument::Qresync.into())
}

/// Whether a space and then an octet like this come next.
fn is_next(cursor: &Cursor<'_>, like: impl Fn(u8) -> bool) -> bool {
    matches!(cursor.ahead(), [b' ', octet, ..] if like(*octet))
}
