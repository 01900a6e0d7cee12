//! Rows are small, and what was written before reads on.

use super::*;

#[test]
fn every_table_has_its_own_letter() {
    let mut letters = LETTERS.to_vec();
    letters.sort_unstable();
    letters.dedup();
    assert_eq!(letters.len(), LETTERS.len());
}

#[test]
fn a_message_row_is_small() {
    let row = MessageRow {
        message: MessageId::random(),
        container: ContainerName::random(),
        digest: [7; 32],
        sealed: 115_000,
        received: 1_800_000_000,
        octets: 114_000,
        trashed: false,
        views: vec![ViewEntry { view: ViewId::random(), generation: 1, octets: 114_000, nature: Some(0) }],
        mod_seq: Some(100_000),
        copy: None,
        epochs: Some(vec![7; 32]),
    };
    let encoded = minicbor::to_vec(&row).expect("rows encode");
    assert!(encoded.len() < 190, "{}", encoded.len());
    let decoded: MessageRow = minicbor::decode(&encoded).expect("what was encoded");
    assert_eq!(decoded.views[0].octets, 114_000);
}

#[test]
fn rows_from_before_there_were_folders_decode() {
    // A map of number 0 alone, as it was written then.
    #[derive(Encode)]
    struct Before {
        #[n(0)]
        reserved: u32,
    }
    let encoded = minicbor::to_vec(Before { reserved: 65 }).expect("rows encode");
    let decoded: MailboxRow = minicbor::decode(&encoded).expect("an old row");
    assert_eq!((decoded.reserved, decoded.mod_seqs), (65, None));
}
