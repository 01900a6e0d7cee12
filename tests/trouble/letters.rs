//! Letters that can be told apart, and compared byte for byte.

/// A letter with this number, of about `size` octets: lines of all lengths, some that begin with dots.
pub fn letter(number: u64, size: usize) -> Vec<u8> {
    let mut letter = format!(
        "From: Sender {number} <sender{number}@elsewhere.example>\r\nTo: alice@demo.example\r\n\
         Subject: Letter {number}\r\nX-Number: {number}\r\n\r\n"
    )
    .into_bytes();
    let mut state = number;
    while letter.len() < size {
        let length = random(&mut state) % 76;
        if length.is_multiple_of(13) {
            letter.push(b'.');
        }
        letter.extend((0..length).map(|_| b' ' + (random(&mut state) % 95) as u8));
        letter.extend_from_slice(b"\r\n");
    }
    letter.extend_from_slice(b"The end.\r\n");
    letter
}

/// The number of a letter that was fetched; `None` for other mail.
pub fn number(letter: &[u8]) -> Option<u64> {
    let text = String::from_utf8_lossy(letter);
    let line =
        text.lines().take_while(|line| !line.is_empty()).find_map(|line| line.strip_prefix("X-Number: "));
    line?.trim().parse().ok()
}

/// Whether `fetched` is `sent` below a trace header of ours.
pub fn is_same(fetched: &[u8], sent: &[u8]) -> bool {
    fetched.strip_suffix(sent).is_some_and(|trace| {
        let trace = String::from_utf8_lossy(trace);
        trace.is_empty() || (trace.starts_with("Return-Path:") && trace.ends_with("\r\n"))
    })
}

/// The identifier that the server gave a message, from its trace header.
pub fn identifier(fetched: &[u8]) -> String {
    let text = String::from_utf8_lossy(fetched);
    let line = text.lines().find_map(|line| line.strip_prefix("\tid ")).expect("our trace header");
    line.trim_end_matches(';').to_owned()
}

/// SplitMix64.
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
