//! What a thief does: looks through every stored file for words, in the clear and as mail encodes
//! them: base64 at each of its three alignments (RFC 4648 §4), UTF-16 in both byte orders.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

/// Words to look for.
pub struct Search {
    /// Every form of every word, by its first eight octets.
    forms: HashMap<[u8; HEAD], Vec<(Vec<u8>, String)>>,
    /// Which hashes of eight octets any form has, so that most places cost one look.
    heads: Vec<bool>,
}

impl Search {
    /// For words of at least eight ASCII octets; shorter ones would be found by chance.
    pub fn new(words: impl IntoIterator<Item = String>) -> Self {
        let mut search = Self { forms: HashMap::new(), heads: vec![false; 1 << 16] };
        for word in words {
            assert!(word.len() >= HEAD && word.is_ascii(), "{word:?} is no word to look for");
            for form in forms(word.as_bytes()) {
                let head = *form.first_chunk().expect("no form is shorter than its word");
                search.heads[place(&head)] = true;
                search.forms.entry(head).or_default().push((form, word.clone()));
            }
        }
        search
    }

    /// The words that stand in `octets` in any form.
    pub fn find(&self, octets: &[u8]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for (at, window) in octets.windows(HEAD).enumerate() {
            let head: &[u8; HEAD] = window.try_into().expect("windows are as long as heads");
            if !self.heads[place(head)] {
                continue;
            }
            let here = self.forms.get(head).into_iter().flatten();
            found.extend(
                here.filter(|(form, _)| octets[at..].starts_with(form)).map(|(_, word)| word.clone()),
            );
        }
        found
    }

    /// The words that stand in any file below `folder`, or in a file's name.
    pub fn find_below(&self, folder: &Path) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for entry in std::fs::read_dir(folder).expect("the folder can be listed") {
            let path = entry.expect("an entry").path();
            found.extend(self.find(path.file_name().expect("a name").as_encoded_bytes()));
            if path.is_dir() {
                found.extend(self.find_below(&path));
            } else if path.is_file() {
                found.extend(self.find(&std::fs::read(&path).expect("a file of the vault")));
            }
        }
        found
    }
}

/// The rarest words of a message, by `counts` over all messages, the longest first.
pub fn marks(message: &[u8], counts: &HashMap<String, usize>, most: usize) -> Vec<String> {
    let mut words: Vec<String> = words(message).into_iter().collect();
    words.sort_by_key(|word| (counts.get(word).copied().unwrap_or(0), std::cmp::Reverse(word.len())));
    words.truncate(most);
    words
}

/// Runs of letters, digits and what addresses are made of.
pub fn words(message: &[u8]) -> BTreeSet<String> {
    let of_word = |octet: &u8| octet.is_ascii_alphanumeric() || b"@.-_".contains(octet);
    message
        .split(|octet| !of_word(octet))
        .filter(|run| (HEAD..=64).contains(&run.len()) && run.iter().any(u8::is_ascii_alphabetic))
        .map(|run| String::from_utf8_lossy(run).into_owned())
        .collect()
}

fn forms(word: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![word.to_vec()];
    forms.push(word.iter().flat_map(|octet| [*octet, 0]).collect());
    forms.push(word.iter().flat_map(|octet| [0, *octet]).collect());
    for skipped in [0, 2, 1] {
        // What stands before the word in its group of three takes the first characters along.
        let rest = &word[skipped..];
        let whole = &rest[..rest.len() / 3 * 3];
        forms.push(data_encoding::BASE64.encode(whole).into_bytes());
    }
    forms
}

fn place(head: &[u8; HEAD]) -> usize {
    let hash = u64::from_le_bytes(*head).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 48) as usize
}

/// Octets that decide whether it is worth comparing: as many as base64 keeps of eight letters.
const HEAD: usize = 8;

#[test]
fn every_form_of_a_word_is_found() {
    let search = Search::new(["Jabberwocky".to_owned()]);
    for before in ["", "x", "xy"] {
        let text = format!("{before}Jabberwocky and more");
        assert_eq!(
            search.find(data_encoding::BASE64.encode(text.as_bytes()).as_bytes()).len(),
            1,
            "{before}"
        );
        assert_eq!(search.find(text.as_bytes()).len(), 1);
    }
    let wide: Vec<u8> = "a Jabberwocky".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(search.find(&wide).len(), 1);
    assert!(search.find(b"Jabberwock").is_empty());
}
