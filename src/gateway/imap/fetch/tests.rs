//! FETCH responses, octet by octet, and what is left of those that fail.

use super::{Complete, Manner, Plan, SendError, Shown, Sink};
use crate::gateway::imap::room::{AccountError, Extent};
use crate::gateway::imap::search::samples::{SampleMessage, roll_of};
use crate::gateway::imap::sets::Numbering;
use crate::mailbox::{Entry, Flags, Keywords};
use crate::wire::imap::{FetchItem, FetchModifiers, FetchSection, SelectMode};

/// Keeps everything, and counts how much was there at once.
#[derive(Default)]
struct Bucket {
    out: Vec<u8>,
    sent: Vec<u8>,
    most: usize,
}

impl Sink for Bucket {
    type Fault = ();

    fn out(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    async fn relieve(&mut self) -> Result<(), ()> {
        self.most = self.most.max(self.out.len());
        self.sent.append(&mut self.out);
        Ok(())
    }
}

impl Bucket {
    fn text(mut self) -> String {
        self.sent.append(&mut self.out);
        String::from_utf8(self.sent).unwrap()
    }
}

const QUIET: Manner =
    Manner { numbering: Numbering::Sequence, condstore: false, mode: SelectMode::ReadWrite };

const MESSAGE: &str = "From: a@b.example\r\nSubject: x\r\nTo: c@d.example\r\n\r\nHello, world.\r\n";

const MIXED: &str = "Content-Type: multipart/mixed; boundary=b\r\n\r\n\
    --b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nYQBi\r\n\
    --b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ninside\r\n\
    --b\r\nContent-Transfer-Encoding: x-odd\r\n\r\nodd\r\n--b--\r\n";

fn entry() -> Entry {
    let roll = roll_of(1, |_, entry| {
        entry.uid = 99;
        entry.flags = Flags::SEEN;
        entry.mod_seq = 715;
        entry.octets = MESSAGE.len() as u64;
        entry.received = 837_571_465;
        entry.saved = 837_571_466;
    });
    *roll.entries.front().unwrap()
}

fn section(section: FetchSection, partial: Option<(u64, u64)>) -> FetchItem {
    FetchItem::Section { section, partial, peek: true }
}

async fn fetched(octets: &str, items: &[FetchItem]) -> (String, Complete) {
    let plan = Plan::of(items.to_vec(), FetchModifiers::default(), QUIET);
    let (entry, keywords) = (entry(), Keywords::default());
    let shown = Shown { sequence: 7, entry: &entry, keywords: &keywords, seen_now: false };
    let mut bucket = Bucket::default();
    let complete = plan.send(&mut bucket, shown, &mut SampleMessage::of(octets.as_bytes())).await.unwrap();
    (bucket.text(), complete)
}

async fn one(octets: &str, item: FetchItem) -> String {
    let (text, complete) = fetched(octets, &[item]).await;
    assert_eq!(complete, Complete::Fully);
    text.strip_prefix("* 7 FETCH (").unwrap().strip_suffix(")\r\n").unwrap().to_owned()
}

#[test]
fn what_the_roll_has_is_put_in_the_order_asked() {
    let items = vec![
        FetchItem::Flags,
        FetchItem::InternalDate,
        FetchItem::Size,
        FetchItem::SaveDate,
        FetchItem::EmailId,
    ];
    let plan = Plan::of(items, FetchModifiers::default(), Manner { condstore: true, ..QUIET });
    let (entry, keywords) = (entry(), Keywords::default());
    let mut out = Vec::new();
    plan.put(&mut out, Shown { sequence: 2, entry: &entry, keywords: &keywords, seen_now: false });
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "* 2 FETCH (FLAGS (\\Seen) INTERNALDATE \"17-Jul-1996 02:44:25 +0000\" RFC822.SIZE 65 \
         SAVEDATE \"17-Jul-1996 02:44:26 +0000\" EMAILID (M00000001000000000000000000000000) MODSEQ (715))\r\n"
    );
}

#[test]
fn flags_are_told_when_they_were_just_set() {
    let (entry, keywords) = (entry(), Keywords::default());
    let put = |items: Vec<FetchItem>, numbering| {
        let plan = Plan::of(items, FetchModifiers::default(), Manner { numbering, ..QUIET });
        let mut out = Vec::new();
        plan.put(&mut out, Shown { sequence: 2, entry: &entry, keywords: &keywords, seen_now: true });
        String::from_utf8(out).unwrap()
    };
    assert_eq!(
        put(vec![FetchItem::Size], Numbering::Uid),
        "* 2 FETCH (UID 99 RFC822.SIZE 65 FLAGS (\\Seen))\r\n"
    );
    assert_eq!(put(vec![FetchItem::Flags], Numbering::Sequence), "* 2 FETCH (FLAGS (\\Seen))\r\n");
}

#[tokio::test]
async fn sections_of_a_plain_message() {
    let all = || FetchSection::All(vec![]);
    assert_eq!(one(MESSAGE, section(all(), None)).await, format!("BODY[] {{65}}\r\n{MESSAGE}"));
    assert_eq!(one(MESSAGE, FetchItem::Rfc822).await, format!("RFC822 {{65}}\r\n{MESSAGE}"));
    assert_eq!(one(MESSAGE, FetchItem::Rfc822Text).await, "RFC822.TEXT {15}\r\nHello, world.\r\n");
    assert_eq!(
        one(MESSAGE, section(FetchSection::All(vec![1]), None)).await,
        "BODY[1] {15}\r\nHello, world.\r\n"
    );
    let fields =
        |not| FetchSection::Fields { part: vec![], names: vec!["subject".to_owned(), "TO".to_owned()], not };
    assert_eq!(
        one(MESSAGE, section(fields(false), None)).await,
        "BODY[HEADER.FIELDS (subject TO)] {31}\r\nSubject: x\r\nTo: c@d.example\r\n\r\n"
    );
    assert_eq!(
        one(MESSAGE, section(fields(true), None)).await,
        "BODY[HEADER.FIELDS.NOT (subject TO)] {21}\r\nFrom: a@b.example\r\n\r\n"
    );
    assert_eq!(one(MESSAGE, section(FetchSection::All(vec![2]), None)).await, "BODY[2] NIL");
}

#[tokio::test]
async fn partials_end_where_the_text_ends() {
    let text = |partial| one(MESSAGE, section(FetchSection::Text(vec![]), Some(partial)));
    assert_eq!(text((0, 5)).await, "BODY[TEXT]<0> {5}\r\nHello");
    assert_eq!(text((7, 1000)).await, "BODY[TEXT]<7> {8}\r\nworld.\r\n");
    assert_eq!(text((15, 1)).await, "BODY[TEXT]<15> \"\"");
    assert_eq!(text((u64::MAX, u64::MAX)).await, format!("BODY[TEXT]<{}> \"\"", u64::MAX));
    let fields = FetchSection::Fields { part: vec![], names: vec!["Subject".to_owned()], not: false };
    assert_eq!(
        one(MESSAGE, section(fields, Some((9, 1)))).await,
        "BODY[HEADER.FIELDS (Subject)]<9> {1}\r\nx"
    );
}

#[tokio::test]
async fn partials_together_are_the_whole() {
    for step in [1, 7, 64] {
        let mut whole = String::new();
        for first in (0..MESSAGE.len() as u64).step_by(step as usize) {
            let text = one(MESSAGE, section(FetchSection::All(vec![]), Some((first, step)))).await;
            whole.push_str(text.split_once("}\r\n").unwrap().1);
        }
        assert_eq!(whole, MESSAGE);
    }
}

#[tokio::test]
async fn parts_of_parts_are_found() {
    let part = |section_of| one(MIXED, section(section_of, None));
    assert_eq!(part(FetchSection::All(vec![1])).await, "BODY[1] {4}\r\nYQBi");
    assert_eq!(
        part(FetchSection::Mime(vec![2])).await,
        "BODY[2.MIME] {32}\r\nContent-Type: message/rfc822\r\n\r\n"
    );
    assert_eq!(part(FetchSection::Header(vec![2])).await, "BODY[2.HEADER] {18}\r\nSubject: inner\r\n\r\n");
    assert_eq!(part(FetchSection::Text(vec![2])).await, "BODY[2.TEXT] {6}\r\ninside");
    assert_eq!(part(FetchSection::All(vec![2, 1])).await, "BODY[2.1] {6}\r\ninside");
    assert_eq!(part(FetchSection::Header(vec![1])).await, "BODY[1.HEADER] NIL");
    assert_eq!(part(FetchSection::All(vec![9, 9])).await, "BODY[9.9] NIL");
}

#[tokio::test]
async fn binary_is_decoded() {
    let binary = |part: u32, partial| FetchItem::Binary { part: vec![part], partial, peek: true };
    assert_eq!(one(MIXED, binary(1, None)).await, "BINARY[1] ~{3}\r\na\0b");
    assert_eq!(one(MIXED, binary(1, Some((2, 5)))).await, "BINARY[1]<2> {1}\r\nb");
    assert_eq!(one(MIXED, FetchItem::BinarySize { part: vec![1] }).await, "BINARY.SIZE[1] 3");
    let (text, complete) = fetched(MIXED, &[binary(3, None), FetchItem::Uid]).await;
    assert_eq!(text, "* 7 FETCH (BINARY[3] NIL UID 99)\r\n");
    assert_eq!(complete, Complete::WithoutUnknownCte);
}

#[tokio::test]
async fn nuls_keep_their_place() {
    let bucket = {
        let plan = Plan::of(vec![FetchItem::Rfc822], FetchModifiers::default(), QUIET);
        let (entry, keywords) = (entry(), Keywords::default());
        let shown = Shown { sequence: 1, entry: &entry, keywords: &keywords, seen_now: false };
        let mut bucket = Bucket::default();
        plan.send(&mut bucket, shown, &mut SampleMessage::of(b"A: b\r\n\r\n\0x\0")).await.unwrap();
        bucket.out
    };
    assert_eq!(bucket, b"* 1 FETCH (RFC822 {11}\r\nA: b\r\n\r\n\x80x\x80)\r\n");
}

#[tokio::test]
async fn listings_need_no_octets() {
    let items =
        [FetchItem::Envelope, FetchItem::Uid, FetchItem::Body, FetchItem::Preview, FetchItem::ThreadId];
    let plan = Plan::of(items.to_vec(), FetchModifiers::default(), QUIET);
    assert_eq!(plan.extent(), Some(&Extent::Listing));
    let (entry, keywords) = (entry(), Keywords::default());
    let shown = Shown { sequence: 7, entry: &entry, keywords: &keywords, seen_now: false };
    let mut message = SampleMessage { sound: 0, ..SampleMessage::of(MESSAGE.as_bytes()) };
    let mut bucket = Bucket::default();
    plan.send(&mut bucket, shown, &mut message).await.unwrap();
    assert_eq!(
        bucket.text(),
        "* 7 FETCH (ENVELOPE (NIL \"x\" ((NIL NIL \"a\" \"b.example\")) ((NIL NIL \"a\" \"b.example\")) \
         ((NIL NIL \"a\" \"b.example\")) ((NIL NIL \"c\" \"d.example\")) NIL NIL NIL NIL) UID 99 \
         BODY (\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 15 1) \
         PREVIEW \"Hello, world.\" THREADID NIL)\r\n"
    );
}

#[tokio::test]
async fn large_messages_pass_in_windows() {
    let text = format!("A: b\r\n\r\n{}", "0123456789abcdef".repeat(200_000));
    let plan = Plan::of(vec![FetchItem::Rfc822, FetchItem::Uid], FetchModifiers::default(), QUIET);
    let (entry, keywords) = (entry(), Keywords::default());
    let shown = Shown { sequence: 1, entry: &entry, keywords: &keywords, seen_now: false };
    let mut bucket = Bucket::default();
    plan.send(&mut bucket, shown, &mut SampleMessage::of(text.as_bytes())).await.unwrap();
    assert!(bucket.most < 300 * 1024, "{}", bucket.most);
    assert_eq!(bucket.text(), format!("* 1 FETCH (RFC822 {{{}}}\r\n{text} UID 99)\r\n", text.len()));
}

#[tokio::test]
async fn what_fails_leaves_nothing_or_ends_everything() {
    let text = format!("A: b\r\n\r\n{}", "x".repeat(1_000_000));
    let plan = Plan::of(vec![FetchItem::Uid, FetchItem::Rfc822], FetchModifiers::default(), QUIET);
    let (entry, keywords) = (entry(), Keywords::default());
    let shown = Shown { sequence: 1, entry: &entry, keywords: &keywords, seen_now: false };
    for (sound, error) in [
        (0, SendError::Message(AccountError::Damaged)),
        (200_000, SendError::Message(AccountError::Damaged)),
        (600_000, SendError::BrokenOff(AccountError::Damaged)),
    ] {
        let mut bucket = Bucket { out: b"* OK before\r\n".to_vec(), ..Bucket::default() };
        let mut message = SampleMessage { sound, ..SampleMessage::of(text.as_bytes()) };
        assert_eq!(plan.send(&mut bucket, shown, &mut message).await, Err(error));
        if matches!(error, SendError::Message(_)) {
            assert_eq!(bucket.text(), "* OK before\r\n");
        }
    }
    // A message that is shorter than its structure says is damaged, too.
    let mut message = SampleMessage::of(text.as_bytes());
    message.octets.truncate(100);
    let mut bucket = Bucket::default();
    let sent = plan.send(&mut bucket, shown, &mut message).await;
    assert_eq!(sent, Err(SendError::Message(AccountError::Damaged)));
    let mut message = SampleMessage::of(MESSAGE.as_bytes());
    message.structure = b"junk".to_vec();
    let sent = plan.send(&mut bucket, shown, &mut message).await;
    assert_eq!((sent, bucket.out.len()), (Err(SendError::Message(AccountError::Damaged)), 0));
}
