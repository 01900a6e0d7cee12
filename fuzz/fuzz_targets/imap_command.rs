//! What an IMAP client sends, in pieces of any size: it is cut into commands and each is read or refused.
//!
//! What must hold: the same octets are the same commands however they arrive; a command ends with a line;
//! and where `imap-codec` reads a command, the reader beside it reads the same.
//!
//! Input: modes and size of the pieces (one octet), then the stream.

#![no_main]

use libfuzzer_sys::fuzz_target;
use veilpost::wire::imap::framing::{Framing, Head, Limits, Next};
use veilpost::wire::imap::{Command, CommandBody, FetchItem, Modes, parse};

fuzz_target!(|input: &[u8]| {
    let Some((first, stream)) = input.split_first() else { return };
    let modes = Modes { utf8: first & 1 == 1 };
    let limits = if first & 2 == 2 { Limits::BEFORE_LOGIN } else { Limits::after_login(4096) };
    let commands = cut(stream, limits, usize::from(first >> 2) + 1);
    assert!(commands == cut(stream, limits, stream.len().max(1)), "pieces change nothing");
    for command in commands.iter().flatten() {
        read(command, modes);
    }
});

/// The commands of a stream; none stands for one that is refused. Text too long is noticed as soon as it
/// is, so with it the stream ends here.
fn cut(stream: &[u8], limits: Limits, piece: usize) -> Vec<Option<Vec<u8>>> {
    let (mut framing, mut buffer, mut commands) = (Framing::new(limits), Vec::new(), Vec::new());
    let mut pieces = stream.chunks(piece);
    loop {
        match framing.next(&buffer) {
            Next::More(missing) => {
                assert!(missing > 0);
                let Some(piece) = pieces.next() else { return commands };
                buffer.extend_from_slice(piece);
            }
            Next::Continue => {}
            Next::Command(length) => {
                let command: Vec<u8> = buffer.drain(..length).collect();
                assert!(command.ends_with(b"\r\n"));
                commands.push(Some(command));
            }
            Next::Drop(length) => {
                assert!(length > 0);
                buffer.drain(..length);
            }
            Next::Refused(_) => commands.push(None),
            Next::HangUp(_) => return commands,
        }
    }
}

fn read(octets: &[u8], modes: Modes) {
    let Ok(command) = parse(octets, modes) else { return };
    let head = Head::of(octets);
    assert_eq!(head.tag, Some(command.tag.as_str()));
    let before = &octets[..octets.len() - head.arguments.len()];
    match command.body {
        CommandBody::Search { key, returns: None, .. } => {
            let other = [before, b" RETURN (ALL)", head.arguments].concat();
            let Ok(Command { body: CommandBody::Search { key: ours, .. }, .. }) = parse(&other, modes) else {
                panic!("our own reader does not read it")
            };
            assert!(key == ours);
        }
        CommandBody::Fetch { items, .. } => read_fetch(before, head.arguments, &items, modes),
        _ => {}
    }
}

fn read_fetch(before: &[u8], arguments: &[u8], items: &[FetchItem], modes: Modes) {
    let Some(at) = arguments.iter().position(|octet| *octet == b'(') else { return };
    // A list of items stands right behind the numbers.
    if arguments[1..].iter().position(|octet| *octet == b' ') != at.checked_sub(2) {
        return;
    }
    let other = [before, &arguments[..=at], b"EMAILID ", &arguments[at + 1..]].concat();
    let Ok(Command { body: CommandBody::Fetch { items: ours, .. }, .. }) = parse(&other, modes) else {
        // One item more may be one too many.
        assert!(items.len() >= MOST_ITEMS, "our own reader does not read it");
        return;
    };
    assert!(ours[1..] == *items);
}

/// Items of one FETCH.
const MOST_ITEMS: usize = 128;
