//! What search costs: mails are generated, indexed as an unlock does it (`document` and `add` on one
//! thread, the index's own two behind it), and searched. `cargo bench --bench search`, or with other
//! numbers `cargo bench --bench search -- 20000 4` (mails, KiB of text in each).
//!
//! A mail has 20 KiB: plain text, the same text in HTML, and an attachment that fills it up. How much
//! of the 20 KiB is text decides how fast they are indexed, so it is an argument. Words follow Zipf's
//! law over a vocabulary of 50,000.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write;
use std::time::{Duration, Instant};

use veilpost::keyring::IndexKey;
use veilpost::names::MessageId;
use veilpost::search::{Index, Page, document};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let mails = numbers.first().copied().unwrap_or(100_000);
    let text = numbers.get(1).copied().unwrap_or(3) * 1024;
    let place = tempfile::tempdir()?;
    let folder = place.path().join("index");
    let key = [7; 32];
    let index = Index::open(&folder, IndexKey::from_bytes(&key))?;
    fill(&index, mails, text)?;
    say(&format!("at rest: {} MiB in {} files", size(&folder)? >> 20, std::fs::read_dir(&folder)?.count()))?;
    drop(index);
    let start = Instant::now();
    let index = Index::open(&folder, IndexKey::from_bytes(&key))?;
    say(&format!("open: {:.1} ms", milliseconds(start.elapsed())))?;
    QUERIES.iter().try_for_each(|query| search(&index, query))?;
    follow(&index)?;
    add_a_few(&index, mails, text)
}

fn fill(index: &Index, mails: usize, text: usize) -> Outcome {
    let mut source = Source::new(text);
    let (mut made, mut documents, mut commits) = (Duration::ZERO, Duration::ZERO, Vec::new());
    let (mut writer, start) = (index.writer()?, Instant::now());
    for uid in 1..=mails as u32 {
        let begin = Instant::now();
        let mail = source.mail(uid);
        made += begin.elapsed();
        let begin = Instant::now();
        let document = document(uid, message(uid), i64::from(uid) * 60, &mail);
        documents += begin.elapsed();
        writer.add(document)?;
        if uid.is_multiple_of(COMMIT) || uid as usize == mails {
            let begin = Instant::now();
            writer.commit(uid)?;
            commits.push(begin.elapsed());
        }
    }
    let indexed = start.elapsed() - made;
    let begin = Instant::now();
    writer.finish()?;
    let rate = mails as f64 / indexed.as_secs_f64();
    say(&format!("indexed {mails} mails of 20 KiB, {} KiB of them text: {rate:.0} a second", text >> 10))?;
    say(&format!("  of that document(): {:.0} us a mail", documents.as_secs_f64() * 1e6 / mails as f64))?;
    let longest = commits.iter().max().copied().unwrap_or_default();
    say(&format!("  {} commits, the longest {:.0} ms", commits.len(), milliseconds(longest)))?;
    say(&format!("  merging afterwards: {:.1} s", begin.elapsed().as_secs_f64()))
}

fn search(index: &Index, query: &str) -> Outcome {
    let mut times = Vec::new();
    let mut total = 0;
    for _ in 0..20 {
        let start = Instant::now();
        total = index.search(query, Page { offset: 0, limit: 50 })?.total;
        times.push(milliseconds(start.elapsed()));
    }
    let first = times[0];
    times.sort_by(f64::total_cmp);
    say(&format!(
        "{:7.2} ms, first {first:7.2}, longest {:7.2}  {total:6} hits  {query}",
        times[10], times[19]
    ))
}

fn follow(index: &Index) -> Outcome {
    let start = Instant::now();
    let thread = index.thread(message(775))?;
    say(&format!("{:7.2} ms, a conversation of {}", milliseconds(start.elapsed()), thread.len()))
}

fn add_a_few(index: &Index, mails: usize, text: usize) -> Outcome {
    let mut source = Source::new(text);
    let mut times = Vec::new();
    for uid in mails as u32 + 1..=mails as u32 + 10 {
        let start = Instant::now();
        let mut writer = index.writer()?;
        writer.add(document(uid, message(uid), i64::from(uid) * 60, &source.mail(uid)))?;
        writer.commit(uid)?;
        drop(writer);
        times.push(milliseconds(start.elapsed()));
    }
    times.sort_by(f64::total_cmp);
    say(&format!("{:7.2} ms for one new mail, writer and commit included", times[5]))
}

/// Mails, the same ones in every run.
struct Source {
    state: u64,
    text: usize,
    words: Vec<String>,
    attachment: String,
}

impl Source {
    fn new(text: usize) -> Self {
        let mut source = Self { state: 1, text, words: Vec::new(), attachment: String::new() };
        source.words = (0..VOCABULARY).map(|_| source.word()).collect();
        let line = format!("{}\r\n", "JVBERi0xLjcKJb".repeat(5));
        source.attachment = line.repeat(20 * 1024 / line.len());
        source
    }

    /// One in five answers the one ten before it.
    fn mail(&mut self, uid: u32) -> Vec<u8> {
        let (from, to) = (self.below(2000), self.below(50));
        let mut plain = String::with_capacity(self.text + 100);
        while plain.len() < self.text {
            let word = self.zipf();
            plain.push_str(&self.words[word]);
            plain.push_str(if plain.len().is_multiple_of(13) { ".\r\n" } else { " " });
        }
        let subject = [self.zipf(), self.zipf(), self.zipf()].map(|word| self.words[word].as_str()).join(" ");
        let mut mail = format!(
            "From: Person {from} <person{from}@example.org>\r\nTo: us{to}@vault.example\r\nSubject: {subject}\r\n\
             Message-ID: <{uid}@example.org>\r\n"
        );
        if uid.is_multiple_of(5) {
            let _ = write!(mail, "In-Reply-To: <{}@example.org>\r\n", uid.saturating_sub(10));
        }
        let html = plain.replace("\r\n", "</p>\r\n<p style=\"margin: 0\">");
        let _ = write!(
            mail,
            "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=m\r\n\r\n\
             --m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
             --a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{plain}\r\n\
             --a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body><p>{html}</p></body></html>\r\n--a--\r\n"
        );
        let room = (20 * 1024_usize).saturating_sub(mail.len()).min(self.attachment.len());
        let _ = write!(
            mail,
            "--m\r\nContent-Type: application/pdf; name=\"report{uid}.pdf\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--m--\r\n",
            &self.attachment[..room]
        );
        mail.into_bytes()
    }

    fn word(&mut self) -> String {
        let syllables =
            ["ba", "ne", "to", "ri", "mu", "sha", "len", "gor", "vi", "dan", "pe", "kol", "u", "est"];
        (0..2 + self.below(3)).map(|_| syllables[self.below(syllables.len())]).collect()
    }

    /// The rank of a word: probability falls with it.
    fn zipf(&mut self) -> usize {
        let uniform = self.below(1 << 20) as f64 / (1 << 20) as f64;
        ((VOCABULARY as f64).powf(uniform) - 1.0) as usize
    }

    /// xorshift64: good enough for words.
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) as usize % end
    }
}

fn message(uid: u32) -> MessageId {
    MessageId::from_bytes((u128::from(uid) << 64).to_be_bytes())
}

fn size(folder: &std::path::Path) -> Outcome<u64> {
    std::fs::read_dir(folder)?.map(|entry| Ok(entry?.metadata()?.len())).sum()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn say(line: &str) -> Outcome {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

/// Mails that share a commit.
const COMMIT: u32 = 10_000;
const VOCABULARY: usize = 50_000;
/// Common words, rare ones, both, phrases, beginnings, fields, dates.
const QUERIES: [&str; 12] = [
    "from:person7",
    "report777.pdf",
    "bane",
    "bane tori mune",
    "-bane",
    "\"bane tori\"",
    "shalen*",
    "ba*",
    "bane OR tori OR mune OR shalen",
    "subject:bane has:attachment",
    "bane after:1970-02 before:1970-03",
    "from:person77 bane -tori",
];
