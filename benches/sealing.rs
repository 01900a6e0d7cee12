//! What sealing costs: CPU time per operation of one thread, as the kernel accounts it, so that other
//! load on the machine counts little. `cargo bench --bench sealing`; numbers with their machine are in
//! the commits that changed them.

use std::error::Error;
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

use bytes::Bytes;
use veilpost::clock::Timestamp;
use veilpost::keyring::{Identity, KeyringError, RecordKey, RootKey};
use veilpost::names::{MessageId, Reader, TenantId, ViewId};
use veilpost::seal::{
    AtomSpan, Container, EnvelopeFacts, EpochKeys, Epochs, InputPiece, MessageKeyGrant, OpenedOriginal,
    OpenedView, SealInput, SealedMessage, ViewInput, seal,
};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    for kilobytes in [20, 114] {
        seal_and_open(kilobytes * 1024)?;
    }
    records()?;
    lookups()?;
    epochs()
}

/// A message of 30 header fields and one body for the owner and two views: one shows six fields and
/// 200 bytes of text, the other everything it may.
fn seal_and_open(size: usize) -> Outcome {
    let bytes: Vec<u8> = (0..size).map(|at| b' ' + (at % 90) as u8).collect();
    let views = [ViewId::random(), ViewId::random()];
    let strata: [&[ViewId]; 3] = [&[], &views[1..], &views];
    let fields = (0..30).map(|at: usize| AtomSpan { end: (at + 1) * 70, kind: 1, stratum: (at % 3) as u16 });
    let atoms: Vec<_> = fields
        .chain([(2102, 2), (2302, 2), (size, 1)].map(|(end, stratum)| AtomSpan { end, kind: 2, stratum }))
        .collect();
    let header: Vec<_> = (2..20).step_by(3).map(|at| InputPiece::Source(at * 70..(at + 1) * 70)).collect();
    let narrow: Vec<_> = header
        .into_iter()
        .chain([InputPiece::Literal(&[b'-'; 300]), InputPiece::Source(2102..2302)])
        .collect();
    let wide = [InputPiece::Literal(&[b'-'; 300]), InputPiece::Source(2100..size)];
    let plans: [&[InputPiece<'_>]; 2] = [&narrow, &wide];
    let inputs: Vec<_> = views
        .iter()
        .zip(plans)
        .map(|(view, pieces)| ViewInput {
            view: *view,
            pieces,
            policy_generation: 1,
            structure: &[b's'; 300],
        })
        .collect();
    let envelope = EnvelopeFacts {
        reverse_path: "sender@example.org".to_owned(),
        addressee: "ann@vault.example".to_owned(),
        protocol: "ESMTPS".to_owned(),
    };
    let (tenant, message) = (TenantId::random(), MessageId::random());
    let input = SealInput {
        message,
        bytes: &bytes,
        atoms: &atoms,
        strata: &strata,
        views: &inputs,
        received: Timestamp::from_unix(1_800_000_000),
        envelope,
    };
    let (epochs, identity) = (Epochs::new(), Identity::generate());
    let readers = [Reader::Owner(tenant), Reader::View(views[0]), Reader::View(views[1])];
    let sealed = seal(&input, grants(&epochs, &readers, &identity)?)?;
    report(
        &format!("seal {size} bytes, owner and 2 views ({} in the container)", sealed.bytes.len()),
        2_000,
        || Ok(seal(&input, grants(&epochs, &readers, &identity)?)?),
    )?;
    open(&sealed, tenant, message, views[1], &identity)
}

fn open(
    sealed: &SealedMessage,
    tenant: TenantId,
    message: MessageId,
    view: ViewId,
    identity: &Identity,
) -> Outcome {
    let bytes = Bytes::from(sealed.bytes.clone());
    let keys = |reader| {
        let seed =
            sealed.seeds.iter().find(|seed| seed.reader == reader).ok_or("the first message has its seed")?;
        Ok::<_, Box<dyn Error>>(EpochKeys::open(identity, &seed.age_file)?)
    };
    let (mut owner, mut reader) = (keys(Reader::Owner(tenant))?, keys(Reader::View(view))?);
    report("open a view's manifest", 20_000, || {
        let container = Container::decode(bytes.clone())?;
        Ok(OpenedView::open(container, tenant, message, view, reader.message_key(0)?)?)
    })?;
    report("render a view", 2_000, || {
        let container = Container::decode(bytes.clone())?;
        let opened = OpenedView::open(container, tenant, message, view, reader.message_key(0)?)?;
        let mut rendering = opened.render(0..opened.size())?;
        while let Some(chunk) = rendering.next_chunk()? {
            black_box(chunk);
        }
        Ok(())
    })?;
    report("render the original, digest checked", 2_000, || {
        let container = Container::decode(bytes.clone())?;
        let opened = OpenedOriginal::open(container, tenant, message, owner.message_key(0)?)?;
        let mut rendering = opened.render()?;
        while let Some(chunk) = rendering.next_chunk()? {
            black_box(chunk);
        }
        Ok(())
    })
}

fn grants(
    epochs: &Epochs,
    readers: &[Reader],
    identity: &Identity,
) -> Result<Vec<MessageKeyGrant>, KeyringError> {
    let now = Instant::now();
    readers.iter().map(|reader| epochs.next(*reader, || Ok(identity.recipient()), now)).collect()
}

fn records() -> Outcome {
    let key = RecordKey::generate();
    let sealed = key.seal(b"message/0123456789abcdef", &[7; 150]);
    report("open a record of 150 bytes", 100_000, || Ok(key.open(b"message/0123456789abcdef", &sealed)?))?;
    report("seal a record of 150 bytes", 100_000, || Ok(key.seal(b"message/0123456789abcdef", &[7; 150])))
}

fn lookups() -> Outcome {
    let key = RootKey::generate();
    report("look up an address", 100_000, || Ok(key.lookup("address", b"someone@mail.example.org")))
}

fn epochs() -> Outcome {
    let (epochs, identity) = (Epochs::new(), Identity::generate());
    let recipient = identity.recipient();
    let (reader, now) = (Reader::View(ViewId::random()), Instant::now());
    report("begin an epoch", 1_000, || {
        let reader = Reader::View(ViewId::random());
        Ok(epochs.next(reader, || Ok::<_, KeyringError>(recipient.clone()), now)?)
    })?;
    report("next message key, epochs included", 10_000, || {
        Ok(epochs.next(reader, || Ok::<_, KeyringError>(recipient.clone()), now)?)
    })?;
    let seed =
        epochs.next(Reader::View(ViewId::random()), || Ok::<_, KeyringError>(recipient.clone()), now)?;
    let seed = seed.new_seed.ok_or("the first message has its seed")?;
    report("open a sealed seed", 1_000, || Ok(EpochKeys::open(&identity, &seed.age_file)?))
}

/// Runs `act` so many times after a warm-up and writes its CPU time.
fn report<T>(name: &str, times: u32, mut act: impl FnMut() -> Result<T, Box<dyn Error>>) -> Outcome {
    for _ in 0..times / 10 {
        black_box(act()?);
    }
    let start = cpu_nanoseconds()?;
    for _ in 0..times {
        black_box(act()?);
    }
    let each = (cpu_nanoseconds()? - start) as f64 / f64::from(times) / 1000.0;
    Ok(writeln!(std::io::stdout(), "{each:10.2} us  {name}")?)
}

/// Time this thread spent on a CPU (Linux, Documentation/scheduler/sched-stats).
fn cpu_nanoseconds() -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_whitespace().next().ok_or("schedstat has three numbers")?.parse()?)
}
