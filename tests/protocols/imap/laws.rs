//! Laws of sessions: what a client keeps count of by what it is told is what the folder holds, whatever
//! several sessions do to it; and whatever a client sends, it is answered in whole lines.

use proptest::prelude::*;
use veilpost::mailbox::FolderId;

use super::fake::Fake;
use super::stage::Client;

/// A client that believes what it is told, and nothing else.
struct Believer {
    client: Client,
    /// The UIDs by number, as far as they were told.
    uids: Vec<Option<u32>>,
}

impl Believer {
    async fn new(fake: &Fake) -> Self {
        let mut believer = Self { client: Client::logged_in(fake).await, uids: Vec::new() };
        believer.ask("SELECT INBOX", true).await;
        believer
    }

    async fn ask(&mut self, command: &str, may_shift: bool) {
        for line in self.client.ask(command).await {
            let words: Vec<&str> = line.split([' ', '(', ')']).collect();
            let ["*", number, what, ..] = words[..] else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match what {
                "EXISTS" => {
                    assert!(number >= self.uids.len(), "{command}: {line}");
                    self.uids.resize(number, None);
                }
                "EXPUNGE" => {
                    assert!(may_shift, "RFC 9051 §7.5.1: {command}: {line}");
                    assert!(number <= self.uids.len(), "{command}: {line}");
                    self.uids.remove(number - 1);
                }
                "RECENT" => {}
                "FETCH" => self.hear_uid(number, &words, &line),
                other => panic!("{command}: {other}"),
            }
        }
    }

    fn hear_uid(&mut self, number: usize, words: &[&str], line: &str) {
        assert!(number <= self.uids.len(), "{line}");
        let Some(at) = words.iter().position(|word| *word == "UID") else { return };
        let uid = words[at + 1].parse().expect("a UID");
        assert!(self.uids[number - 1].is_none_or(|known| known == uid), "{line}: {:?}", self.uids);
        self.uids[number - 1] = Some(uid);
    }
}

/// What a client does, and whether numbers may shift by it.
const DOINGS: &[(&str, bool)] = &[
    ("NOOP", true),
    ("CHECK", true),
    ("STORE 1 +FLAGS (\\Deleted)", false),
    ("STORE 1:* +FLAGS.SILENT (\\Seen)", false),
    ("UID STORE 2:5 +FLAGS (\\Deleted)", true),
    ("UID STORE 1:* -FLAGS (\\Seen kept)", true),
    ("FETCH 1:* (UID FLAGS)", false),
    ("UID FETCH 1:* (FLAGS RFC822.SIZE)", true),
    ("FETCH 1 BODY[HEADER]", false),
    ("SEARCH UNSEEN", false),
    ("UID SEARCH DELETED", true),
    ("EXPUNGE", true),
    ("UID EXPUNGE 3:4", true),
    ("COPY 1 INBOX", true),
    ("MOVE 1 Archive", true),
    ("APPEND INBOX {12+}\r\nSubject: x\r\n\r\n", true),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_told_is_what_is_there(doings in prop::collection::vec((0..3_usize, 0..DOINGS.len()), 1..40)) {
        runtime().block_on(async {
            let fake = Fake::with_some(6);
            let mut believers = [
                Believer::new(&fake).await,
                Believer::new(&fake).await,
                Believer::new(&fake).await,
            ];
            for (who, what) in doings {
                let (command, may_shift) = DOINGS[what];
                believers[who].ask(command, may_shift).await;
            }
            let there: Vec<_> =
                fake.roll_now(FolderId::INBOX).entries.iter().map(|entry| Some(entry.uid)).collect();
            for believer in &mut believers {
                believer.ask("NOOP", true).await;
                assert_eq!(believer.uids.len(), there.len());
                believer.ask("UID FETCH 1:* (UID)", true).await;
                assert_eq!(believer.uids, there);
            }
        });
    }

    #[test]
    fn whatever_is_sent_is_answered_in_lines(
        pieces in prop::collection::vec((0..DOINGS.len(), any::<prop::sample::Index>(), any::<u8>()), 1..12),
        state in 0..3,
    ) {
        runtime().block_on(async {
            let fake = Fake::with_some(2);
            let mut client = match state {
                0 => Client::greeted(&fake).await,
                1 => Client::logged_in(&fake).await,
                _ => Client::selected(&fake).await,
            };
            for (what, place, octet) in pieces {
                let mut command = format!("a {}\r\n", DOINGS[what].0).into_bytes();
                let place = place.index(command.len());
                command[place] = octet;
                client.send_gently(&command).await;
            }
            client.finish().await;
            let (rest, _) = client.rest().await;
            assert!(rest.is_empty() || rest.ends_with("\r\n"), "{rest}");
        });
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
