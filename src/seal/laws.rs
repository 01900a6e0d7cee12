//! The laws of sealing, over arbitrary messages: what is sealed opens for its readers, exactly;
//! nobody else opens anything; every changed byte shows.

use proptest::prelude::*;

use super::samples::{Sample, SamplePiece, keys, recipes};
use super::*;
use crate::names::{MessageId, Reader, TenantId};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_reader_gets_exactly_theirs(recipe in recipes(2000)) {
        let sample = recipe.sample();
        let sealed = sample.seal(sample.grants(&Epochs::new())).unwrap();
        let container = Container::decode(sealed.bytes.clone().into()).unwrap();
        prop_assert_eq!(container.digest(), sealed.digest);
        let original = sample.original(&sealed, &sealed.bytes).unwrap();
        let whole = original.render().unwrap().collect().unwrap();
        prop_assert_eq!(whole.as_slice(), &sample.bytes);
        for (at, view) in sample.views.iter().enumerate() {
            let opened = sample.view(&sealed, &sealed.bytes, at).unwrap();
            let expected = sample.expected(view);
            prop_assert_eq!(opened.size(), expected.len() as u64);
            let shown = opened.render(0..opened.size()).unwrap().collect().unwrap();
            prop_assert_eq!(shown.as_slice(), expected);
        }
    }

    #[test]
    fn any_range_renders(recipe in recipes(2000), from: prop::sample::Index, to: prop::sample::Index) {
        let sample = recipe.sample();
        let sealed = sample.seal(sample.grants(&Epochs::new())).unwrap();
        let opened = sample.view(&sealed, &sealed.bytes, 0).unwrap();
        let expected = sample.expected(&sample.views[0]);
        let (from, to) = (from.index(expected.len() + 1), to.index(expected.len() + 1));
        let range = from.min(to)..from.max(to);
        let rendering = opened.render(range.start as u64..range.end as u64).unwrap();
        let shown = rendering.collect().unwrap();
        prop_assert_eq!(shown.as_slice(), &expected[range]);
    }

    #[test]
    fn a_view_gets_no_key_of_what_it_may_not_read(recipe in recipes(500)) {
        let sample = recipe.sample();
        let sealed = sample.seal(sample.grants(&Epochs::new())).unwrap();
        let original = sample.original(&sealed, &sealed.bytes).unwrap();
        for (at, view) in sample.views.iter().enumerate() {
            let opened = sample.view(&sealed, &sealed.bytes, at).unwrap();
            let granted: Vec<_> = opened.manifest().strata.iter().map(|grant| grant.stratum).collect();
            for (span, atom) in original.manifest().spans() {
                let place = sample.atoms.iter().find(|cut| cut.end as u64 >= span.end).unwrap();
                let may = sample.strata[usize::from(place.stratum)].contains(&view.view);
                prop_assert!(may || !granted.contains(&atom.stratum));
            }
        }
    }
}

#[test]
fn every_changed_byte_shows_to_some_reader() {
    let sample = Sample::small();
    let sealed = sample.seal(sample.grants(&Epochs::new())).unwrap();
    let mut keys = sample.keys(&sealed);
    let mut all = |bytes: &[u8]| -> Result<(), UnsealError> {
        sample.original_with(&mut keys[0], bytes)?.render()?.collect()?;
        for at in 0..2 {
            let opened = sample.view_with(&mut keys[at + 1], bytes, at)?;
            opened.render(0..opened.size())?.collect()?;
        }
        Ok(())
    };
    all(&sealed.bytes).unwrap();
    for at in 0..sealed.bytes.len() {
        let mut damaged = sealed.bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        assert!(all(&damaged).is_err(), "byte {at}");
    }
}

#[test]
fn every_changed_byte_of_the_table_shows_to_every_reader() {
    let sample = Sample::small();
    let sealed = sample.seal(sample.grants(&Epochs::new())).unwrap();
    let table = container::table_length(4, 3);
    for at in 0..table {
        let mut damaged = sealed.bytes.clone();
        damaged[at] ^= 0x40;
        assert!(sample.original(&sealed, &damaged).is_err(), "byte {at}");
        assert!(sample.view(&sealed, &damaged, 0).is_err(), "byte {at}");
    }
}

#[test]
fn other_keys_readers_messages_and_tenants_are_refused() {
    let sample = Sample::small();
    let sealed = sample.seal(sample.grants(&Epochs::new())).unwrap();
    let container = || Container::decode(sealed.bytes.clone().into()).unwrap();
    let [one, other] = [&sample.views[0], &sample.views[1]];
    let mut of_one = keys(&sealed, Reader::View(one.view), &one.identity);
    let (tenant, message) = (sample.tenant, sample.message);
    let wrong_view =
        OpenedView::open(container(), tenant, message, other.view, of_one.message_key(0).unwrap());
    assert!(matches!(wrong_view, Err(UnsealError::Manifest)));
    let wrong_counter =
        OpenedView::open(container(), tenant, message, one.view, of_one.message_key(1).unwrap());
    assert!(matches!(wrong_counter, Err(UnsealError::Manifest)));
    let key = of_one.message_key(0).unwrap();
    let as_owner = OpenedOriginal::open(container(), tenant, message, key);
    assert!(matches!(as_owner, Err(UnsealError::Manifest)));
    let elsewhere = OpenedView::open(container(), tenant, MessageId::random(), one.view, key);
    assert!(matches!(elsewhere, Err(UnsealError::Foreign)));
    let foreign = OpenedView::open(container(), TenantId::random(), message, one.view, key);
    assert!(matches!(foreign, Err(UnsealError::Foreign)));
    let seed = sealed.seeds.iter().find(|seed| seed.reader == Reader::View(one.view)).unwrap();
    assert!(EpochKeys::open(&other.identity, &seed.age_file).is_err());
}

#[test]
fn a_manifest_moved_from_another_message_is_refused() {
    let (mut sample, epochs) = (Sample::small(), Epochs::new());
    let first = sample.seal(sample.grants(&epochs)).unwrap();
    let first_message = sample.message;
    sample.message = MessageId::random();
    let second = sample.seal(sample.grants(&epochs)).unwrap();
    let view = &sample.views[1];
    let mut keys = keys(&second, Reader::View(view.view), &view.identity);
    let mut open = |bytes: &[u8], message, counter| {
        let container = Container::decode(bytes.to_vec().into()).unwrap();
        let key = keys.message_key(counter).unwrap();
        OpenedView::open(container, sample.tenant, message, view.view, key).map(drop)
    };
    open(&second.bytes, sample.message, 1).unwrap();
    // The last manifest is this view's; the table ends with its length.
    let table = container::table_length(4, 3);
    let length = u32::from_be_bytes(*first.bytes[..table].last_chunk().unwrap()) as usize;
    let manifest = second.bytes.len() - length..;
    let mut mixed = first.bytes.clone();
    mixed[manifest.clone()].copy_from_slice(&second.bytes[manifest]);
    for counter in [0, 1] {
        assert!(matches!(open(&mixed, first_message, counter), Err(UnsealError::Manifest)));
    }
    let mut renamed = second.bytes;
    renamed[9..25].copy_from_slice(first_message.as_bytes());
    assert!(matches!(open(&renamed, first_message, 1), Err(UnsealError::Manifest)));
}

#[test]
fn no_key_and_no_ciphertext_repeats_between_equal_messages() {
    let (sample, epochs) = (Sample::small(), Epochs::new());
    let one = sample.seal(sample.grants(&epochs)).unwrap();
    let two = sample.seal(sample.grants(&epochs)).unwrap();
    let keys = |sealed: &SealedMessage, counter| {
        let container = Container::decode(sealed.bytes.clone().into()).unwrap();
        let mut keys = keys(sealed, Reader::Owner(sample.tenant), &sample.owner);
        let key = keys.message_key(counter).unwrap();
        let original = OpenedOriginal::open(container, sample.tenant, sample.message, key).unwrap();
        original.manifest().strata.iter().map(|grant| *grant.key.expose()).collect::<Vec<_>>()
    };
    let (one_keys, two_keys) = (keys(&one, 0), keys(&two, 1));
    assert_eq!(one_keys.len(), 4);
    assert!(one_keys.iter().all(|key| !two_keys.contains(key)));
    let table = container::table_length(4, 3);
    let repeated =
        one.bytes[table..].windows(16).any(|window| two.bytes[table..].windows(16).any(|w| w == window));
    assert!(!repeated, "ciphertext repeats");
}

#[test]
fn plans_that_show_hidden_bytes_seal_nothing() {
    let mut sample = Sample::small();
    for span in [19..20, 0..38, 36..39, 18..20] {
        sample.views[0].pieces = vec![SamplePiece::Source(span)];
        let sealed = sample.seal(sample.grants(&Epochs::new()));
        assert_eq!(sealed.err(), Some(SealError::Hidden));
    }
    sample.views[0].pieces = vec![SamplePiece::Source(0..sample.bytes.len() + 1)];
    assert_eq!(sample.seal(sample.grants(&Epochs::new())).err(), Some(SealError::Range));
}

#[test]
fn atoms_that_do_not_tile_seal_nothing() {
    let cases: [fn(&mut Sample); 4] = [
        |sample| sample.atoms.truncate(3),
        |sample| sample.atoms.swap(1, 2),
        |sample| sample.atoms[3].end += 1,
        |sample| sample.bytes.push(b'x'),
    ];
    for case in cases {
        let mut sample = Sample::small();
        case(&mut sample);
        assert_eq!(sample.seal(sample.grants(&Epochs::new())).err(), Some(SealError::Tiling));
    }
    let mut sample = Sample::small();
    sample.atoms[0].stratum = 3;
    assert_eq!(sample.seal(sample.grants(&Epochs::new())).err(), Some(SealError::Stratum));
}

#[test]
fn grants_must_fit_the_readers() {
    let (sample, other) = (Sample::small(), Sample::small());
    let epochs = Epochs::new();
    type Case = fn(&mut Vec<MessageKeyGrant>, Vec<MessageKeyGrant>);
    let cases: [Case; 4] = [
        |grants, _| grants.truncate(2),
        |grants, _| drop(grants.remove(0)),
        |grants, more| grants.extend(more),
        |grants, more| grants[1] = more.into_iter().nth(2).unwrap(),
    ];
    for case in cases {
        let mut grants = sample.grants(&epochs);
        case(&mut grants, sample.grants(&epochs));
        assert_eq!(sample.seal(grants).err(), Some(SealError::Grants));
    }
    assert_eq!(sample.seal(other.grants(&epochs)).err(), Some(SealError::Grants));
    let mut turned = sample.grants(&epochs);
    turned.reverse();
    assert!(sample.seal(turned).is_ok());
}

#[test]
fn long_messages_render_within_chunks() {
    let mut sample = Sample::small();
    sample.bytes = (0..300_000).map(|at: u32| (at % 251) as u8).collect();
    // Atoms of 10,000 bytes that take turns between three strata.
    let atom = |at: usize| AtomSpan { end: (at + 1) * 10_000, kind: 0, stratum: (at % 3) as u16 };
    sample.atoms = (0..30).map(atom).collect();
    sample.views[1].pieces =
        vec![SamplePiece::Source(10_000..30_000), SamplePiece::Literal(vec![b'y'; 200_000])];
    sample.views[0].pieces.clear();
    let sealed = sample.seal(sample.grants(&Epochs::new())).unwrap();
    let original = sample.original(&sealed, &sealed.bytes).unwrap();
    let mut rendering = original.render().unwrap();
    let mut bytes = Vec::new();
    while let Some(chunk) = rendering.next_chunk().unwrap() {
        assert!(!chunk.is_empty() && chunk.len() <= 64 * 1024);
        bytes.extend_from_slice(chunk);
    }
    assert!(bytes == sample.bytes);
    let part = original.render_range(95_000..205_000).unwrap().collect().unwrap();
    assert!(part.as_slice() == &sample.bytes[95_000..205_000]);
    let view = sample.view(&sealed, &sealed.bytes, 1).unwrap();
    assert!(
        view.render(0..220_000).unwrap().collect().unwrap().as_slice() == sample.expected(&sample.views[1])
    );
    assert!(view.manifest().pieces.len() == 3, "long literals are not in the manifest");
    assert!(matches!(view.render(0..220_001), Err(UnsealError::Range)));
}

#[test]
fn an_empty_message_seals() {
    let mut sample = Sample::small();
    sample.bytes.clear();
    sample.atoms.clear();
    sample.views.iter_mut().for_each(|view| view.pieces.clear());
    let sealed = sample.seal(sample.grants(&Epochs::new())).unwrap();
    let original = sample.original(&sealed, &sealed.bytes).unwrap();
    assert!(original.render().unwrap().collect().unwrap().is_empty());
    assert_eq!(sample.view(&sealed, &sealed.bytes, 0).unwrap().size(), 0);
}

#[test]
fn the_owner_sees_the_envelope() {
    let sample = Sample::small();
    let sealed = sample.seal(sample.grants(&Epochs::new())).unwrap();
    let original = sample.original(&sealed, &sealed.bytes).unwrap();
    let manifest = original.manifest();
    assert_eq!(manifest.envelope.reverse_path, "a@b.example");
    assert_eq!(manifest.envelope.addressee, "ann@vault.example");
    assert_eq!(manifest.received().unix(), 1_800_000_000);
    assert_eq!(manifest.spans().count(), 4);
}
