//! APPEND as far as `imap-codec` cannot read it: UTF-8 messages (RFC 9755 §4, RFC 6855 §4), `UTF8 (~{n}…)` where
//! the message stands; names of folders without quotes; blanks about the flags, which Dovecot's imapc sends
//! before keywords. `imap-codec` is given the command as it should be, with another folder and message.

use std::borrow::Cow;

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use zeroize::Zeroizing;

use super::cursor::Cursor;
use super::parse::{CommandErrorKind, Parsed};
use super::{CommandBody, translate};

/// `octets` are the whole command, `cursor` stands behind its verb.
pub(super) fn parse(octets: &[u8], mut cursor: Cursor<'_>) -> Parsed<CommandBody> {
    let mut command = octets[..octets.len() - CRLF.len() - cursor.left()].to_vec();
    cursor.space()?;
    let folder = cursor.mailbox()?;
    cursor.space()?;
    command.extend_from_slice(b" INBOX ");
    if cursor.skip(b'(') {
        let flags = cursor.take_while(|octet| !b")\r".contains(&octet));
        cursor.octet(b')')?;
        cursor.space()?;
        command.extend_from_slice(&[b"(", flags.trim_ascii(), b") "].concat());
    }
    if cursor.skip(b'"') {
        let date = cursor.take_while(|octet| !b"\"\r".contains(&octet));
        cursor.octet(b'"')?;
        cursor.space()?;
        command.extend_from_slice(&[b"\"", date, b"\" "].concat());
    }
    let octets = message(&mut cursor)?;
    cursor.end()?;
    command.extend_from_slice(b"{1+}\r\n-\r\n");
    let (_, command) = CommandCodec::default().decode(&command).map_err(|_| CommandErrorKind::Arguments)?;
    let mut body = translate::command_body(command.body, cursor.modes())?;
    if let CommandBody::Append { path, message } = &mut body {
        *path = folder;
        message.octets = Zeroizing::new(octets.to_vec());
    }
    Ok(body)
}

fn message<'a>(cursor: &mut Cursor<'a>) -> Parsed<Cow<'a, [u8]>> {
    if cursor.skip_word("UTF8 (") {
        let message = cursor.literal8()?;
        cursor.octet(b')')?;
        return if cursor.modes().utf8 { Ok(message.into()) } else { Err(CommandErrorKind::Unsupported) };
    }
    match cursor.peek() {
        Some(b'~') => cursor.literal8().map(Cow::from),
        Some(b'{') => cursor.string(),
        _ => Err(CommandErrorKind::Arguments),
    }
}

const CRLF: &[u8] = b"\r\n";
