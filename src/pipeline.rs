//! Mail in: what reception hands over is sealed and stored for each addressee, and acknowledged
//! only when container, epoch seeds and ledger row are durable (law 3).
//!
//! The filter (SPF, DKIM, DMARC, spam, viruses) will stand at the head of `deliver_one`.

use std::sync::Arc;
use std::time::Instant;

use futures::stream::{self, StreamExt};

use crate::message::Plaintext;
use crate::names::{Address, AddressToken, MessageId, TenantId};
use crate::net::metrics::{Protocol as Meter, Refusal};
use crate::reception::{
    Addressee, Directory, DirectoryError, Intake, Notice, Outcome, Reason, Received, Resolution,
    UserRef as Place, trace_header,
};
use crate::records::RecordError;
use crate::seal::EnvelopeFacts;
use crate::store::ledger::CommitError;
use crate::tenant::registry::UserRef;
use crate::tenant::rows::AddressRow;
use crate::tenant::{directory, roles};
use crate::vault::arrivals::{self, Sighting};
use crate::vault::seal::{Arrival, SealingError, make_room, seal};
use crate::vault::{PolicyUnavailable, Vault, usage};
use crate::wire::smtp::{Dialect, Mailbox, ReversePath};

/// Where reception's mail goes in.
pub struct Entrance(pub Arc<Vault>);

impl Directory for Entrance {
    async fn resolve(&self, address: &Address) -> Result<Resolution, DirectoryError> {
        match roles::resolve(&self.0.records, address, &self.0.settings.hostname) {
            Ok(Some(row)) if row.off.is_some() => {
                self.0.metrics.refused(Refusal::switched_off);
                Ok(Resolution::Off)
            }
            Ok(Some(row)) => admitted(&self.0, &row).await.map_err(unreadable),
            Ok(None) => {
                self.0.metrics.refused(Refusal::unknown_addressee);
                Ok(Resolution::Unknown)
            }
            Err(error) => Err(unreadable(error)),
        }
    }
}

/// Whose mailboxes they are. One that is full makes the message wait for all: nobody's copy is lost.
async fn admitted(vault: &Vault, row: &AddressRow) -> Result<Resolution, RecordError> {
    let place = |user| Place { tenant: row.tenant, user };
    let (first, others) = (place(row.user), row.holders().skip(1).map(place).collect::<Vec<_>>());
    for holder in std::iter::once(&first).chain(&others) {
        let user = UserRef { tenant: holder.tenant, user: holder.user };
        if usage::room(vault, user).await?.is_some_and(|room| !room.takes(0)) {
            vault.metrics.refused(Refusal::storage);
            return Ok(Resolution::Full);
        }
    }
    Ok(if others.is_empty() { Resolution::Local(first) } else { Resolution::Shared(first, others) })
}

fn unreadable(error: RecordError) -> DirectoryError {
    tracing::error!(%error, "the directory cannot be read");
    DirectoryError
}

impl Intake for Entrance {
    async fn deliver(&self, received: Received) -> Vec<Outcome> {
        let began = Instant::now();
        let posts = posts(&received.addressees);
        let one = |(addressee, user)| deliver_one(&self.0, &received, addressee, user);
        let deliveries: Vec<_> = posts.iter().copied().map(one).collect();
        // A few of large ones, many of small ones: nobody else waits long for the thread.
        let at_once = (AT_ONCE / received.content.expose().len().max(1)).clamp(1, MOST_AT_ONCE);
        let outcomes: Vec<Outcome> = stream::iter(deliveries).buffered(at_once).collect().await;
        self.0.metrics.delivery_seconds.observe(began.elapsed().as_secs_f64());
        let of =
            |user: &Place| posts.iter().position(|(_, other)| other == user).map(|place| outcomes[place]);
        let whole = |addressee: &Addressee| worst(holders(addressee).filter_map(|user| of(&user)));
        received.addressees.iter().map(whole).collect()
    }

    fn note(&self, notice: Notice<'_>) {
        note(&self.0, &notice);
    }
}

/// The line in the log, and the row for `veilpost trace`.
fn note(vault: &Vault, notice: &Notice<'_>) {
    let token = |address: String| arrivals::token(&vault.records, &address);
    let addressee = notice.addressee.map(Mailbox::address);
    let tenant = notice.target.map(|target| target.tenant).or_else(|| tenant_of(vault, addressee?));
    let seen = Sighting {
        tenant,
        at: vault.clock.now().unix(),
        session: notice.session,
        message: notice.message,
        peer: notice.peer.map(|peer| peer.to_canonical()),
        from: notice.sender.map(|sender| token(comparable(sender))),
        to: addressee.map(|address| token(address.reveal())),
        size: notice.size,
        reply: notice.reply,
        why: notice.why.clone(),
    };
    tracing::info!(
        target: "veilpost::mail",
        verdict = %seen.verdict(),
        session = %seen.session,
        message = %shown(seen.message),
        peer = %seen.peer.map_or_else(|| "local".to_owned(), |peer| peer.to_string()),
        from = %shown(seen.from),
        to = %shown(seen.to),
        size = seen.size,
        reply = seen.reply,
        why = seen.why,
        "mail"
    );
    vault.arrivals.note(seen);
}

fn shown(value: Option<impl std::fmt::Display>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Whose the domain of an address is that nobody has.
fn tenant_of(vault: &Vault, address: &Address) -> Option<TenantId> {
    directory::tenants_of(&vault.records, address.domain()).ok()?.into_iter().min()
}

/// The token of an address that somebody asks for, in whatever form they write it; none if it is no address.
pub fn token_of(vault: &Vault, address: &str) -> Option<AddressToken> {
    let path = ReversePath::parse(address.trim().trim_start_matches('<').trim_end_matches('>'))?;
    Some(arrivals::token(&vault.records, &comparable(&path)))
}

fn comparable(sender: &ReversePath) -> String {
    sender.address().map_or_else(|| sender.spelled().to_lowercase(), |address| address.reveal())
}

/// Everybody who gets the message, once, with the addressee that names them first.
fn posts(addressees: &[Addressee]) -> Vec<(&Addressee, Place)> {
    let mut posts: Vec<(&Addressee, Place)> = Vec::new();
    for addressee in addressees {
        for user in holders(addressee) {
            if posts.iter().all(|(_, other)| *other != user) {
                posts.push((addressee, user));
            }
        }
    }
    posts
}

fn holders(addressee: &Addressee) -> impl Iterator<Item = Place> {
    std::iter::once(addressee.target).chain(addressee.others.iter().copied())
}

/// What became of a message for an addressee that stands for several people: it is stored when all have it.
/// Where one has to wait, those who have it get it again with the next attempt.
fn worst(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let rank = |outcome: &Outcome| match outcome {
        Outcome::Stored(_) => 0,
        Outcome::Rejected(_) => 1,
        Outcome::Deferred => 2,
    };
    let outcomes: Vec<Outcome> = outcomes.collect();
    // `rev` makes the first of equals win.
    outcomes.into_iter().rev().max_by_key(rank).unwrap_or(Outcome::Deferred)
}

/// One mailbox's delivery. Every error is told apart into "later" and "never" here and nowhere else.
async fn deliver_one(vault: &Arc<Vault>, received: &Received, addressee: &Addressee, user: Place) -> Outcome {
    let message = MessageId::random();
    match store(vault, received, (addressee, user), message).await {
        Ok(()) => {
            vault.metrics.received(meter(received));
            Outcome::Stored(message)
        }
        Err(error) => {
            tracing::warn!(%message, tenant = %addressee.target.tenant, %error, "a message was not stored");
            vault.metrics.refused(refusal(&error));
            outcome(vault, (addressee, user), &error)
        }
    }
}

async fn store(
    vault: &Arc<Vault>,
    received: &Received,
    (addressee, user): (&Addressee, Place),
    message: MessageId,
) -> Result<(), SealingError> {
    let user = UserRef { tenant: user.tenant, user: user.user };
    if usage::room(vault, user).await?.is_some_and(|room| !room.takes(received.content.expose().len() as u64))
    {
        return Err(SealingError::NoRoom);
    }
    let room = make_room(vault, user, received.content.expose().len()).await;
    let trace = trace_header(received, addressee, &vault.settings.hostname, message);
    let arrival = Arrival {
        uploader: None,
        room,
        user,
        message,
        content: Plaintext::from([trace.as_slice(), received.content.expose()].concat()),
        received: received.received_at,
        envelope: EnvelopeFacts {
            reverse_path: received
                .reverse_path
                .as_ref()
                .map_or_else(String::new, |path| path.spelled().to_owned()),
            addressee: addressee.mailbox.spelled().to_owned(),
            protocol: received.protocol.keyword().to_owned(),
        },
    };
    let stored = seal(vault, arrival).await?;
    let queued = Instant::now();
    let (_uid, committed) = vault.mailboxes.add(&vault.records, user, stored.row.clone()).await?;
    vault.metrics.commit_seconds.observe(queued.elapsed().as_secs_f64());
    stored.release(committed);
    Ok(())
}

fn outcome(vault: &Vault, (addressee, user): (&Addressee, Place), error: &SealingError) -> Outcome {
    match error {
        // Nobody reads this mailbox any more: it was removed between RCPT and here. Somebody else may have
        // taken over the address.
        SealingError::ReaderGone | SealingError::Records(RecordError::Closed) => {
            match directory::resolve(&vault.records, addressee.mailbox.address()) {
                Ok(None) => Outcome::Rejected(Reason::Unknown),
                Ok(Some(row)) if row.holders().any(|holder| holder == user.user) => {
                    Outcome::Rejected(Reason::Unknown)
                }
                Ok(Some(_)) | Err(_) => Outcome::Deferred,
            }
        }
        _ => Outcome::Deferred,
    }
}

fn refusal(error: &SealingError) -> Refusal {
    match error {
        SealingError::Policy(PolicyUnavailable::Broken(_) | PolicyUnavailable::Unknown) => Refusal::policy,
        SealingError::Records(RecordError::Commit(CommitError::Busy)) => Refusal::busy,
        _ => Refusal::storage,
    }
}

fn meter(received: &Received) -> Meter {
    match received.protocol.dialect {
        Dialect::Lhlo => Meter::lmtp,
        Dialect::Helo | Dialect::Ehlo => Meter::smtp,
    }
}

/// Octets of all copies that are worked on at once for one transaction.
const AT_ONCE: usize = 2 * 1024 * 1024;
/// Copies that are.
const MOST_AT_ONCE: usize = 100;
