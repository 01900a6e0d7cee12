//! APPEND of UTF-8 messages (RFC 9755 §4, RFC 6855 §4): `UTF8 (~{n}…)` where the message stands. The rest
//! of the command is `imap-codec`'s, which is given another message in its place.

use imap_codec::CommandCodec;
use imap_codec::decode::Decoder;
use zeroize::Zeroizing;

use super::cursor::Cursor;
use super::parse::{CommandErrorKind, Parsed};
use super::{CommandBody, translate};

/// `octets` are the whole command, `cursor` stands behind its verb.
pub(super) fn parse(octets: &[u8], mut cursor: Cursor<'_>) -> Parsed<CommandBody> {
    cursor.space()?;
    cursor.mailbox()?;
    cursor.space()?;
    if cursor.skip(b'(') {
        cursor.take_while(|octet| !b")\r".contains(&octet));
        cursor.octet(b')')?;
        cursor.space()?;
    }
    if cursor.skip(b'"') {
        cursor.take_while(|octet| !b"\"\r".contains(&octet));
        cursor.octet(b'"')?;
        cursor.space()?;
    }
    let message_at = octets.len() - CRLF.len() - cursor.left();
    if !cursor.skip_word("UTF8 (") {
        return Err(CommandErrorKind::Arguments);
    }
    let message = cursor.literal8()?;
    cursor.octet(b')')?;
    cursor.end()?;
    if !cursor.modes().utf8 {
        return Err(CommandErrorKind::Unsupported);
    }
    let command = [&octets[..message_at], b"{1+}\r\n-\r\n"].concat();
    let (_, command) = CommandCodec::default().decode(&command).map_err(|_| CommandErrorKind::Arguments)?;
    let mut body = translate::command_body(command.body, cursor.modes())?;
    if let CommandBody::Append { message: upload, .. } = &mut body {
        upload.octets = Zeroizing::new(message.to_vec());
    }
    Ok(body)
}

const CRLF: &[u8] = b"\r\n";
