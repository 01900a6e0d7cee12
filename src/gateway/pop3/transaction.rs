//! The TRANSACTION state (RFC 1939 §5): the client looks at its maildrop and marks what to delete.

use std::time::Duration;

use tokio::time::Instant;
use zeroize::Zeroizing;

use super::SessionEnd;
use super::channel::Channel;
use super::fault::Fault;
use super::listing::Listing;
use super::update::Update;
use crate::gateway::mailroom::{Entry, Extent, Maildrop, MaildropError, MessageStream};
use crate::wire::pop3::{
    Capability, Command, DotStuffer, END, MAX_LINE, MessageNumber, Reply, TopExcerpt, put_scan_listing,
    put_unique_id_listing,
};

pub(super) struct Transaction<D: Maildrop> {
    channel: Channel,
    contents: Contents<D>,
    inactivity: Duration,
}

/// A maildrop and, once a command has asked for it, its listing.
struct Contents<D: Maildrop> {
    maildrop: D,
    listing: Option<Listing<D::Handle>>,
}

/// Whether the session goes on after a command.
enum Next {
    Command,
    Update,
}

impl<D: Maildrop> Transaction<D> {
    pub(super) fn new(channel: Channel, maildrop: D, inactivity: Duration) -> Self {
        Self { channel, contents: Contents { maildrop, listing: None }, inactivity }
    }

    pub(super) async fn run(mut self) -> SessionEnd {
        loop {
            let line = self.channel.line(MAX_LINE, Instant::now() + self.inactivity).await;
            match self.obey(line).await {
                Ok(Next::Command) => {}
                Ok(Next::Update) => return Box::pin(self.into_update().run()).await,
                Err(fault) => {
                    if let Err(end) = self.channel.answer(&fault) {
                        return self.channel.close(end).await;
                    }
                }
            }
        }
    }

    async fn obey(&mut self, line: Result<Zeroizing<Vec<u8>>, Fault>) -> Result<Next, Fault> {
        match Command::parse(&line?)? {
            Command::Capabilities => self.channel.put(Reply::Capabilities(CAPABILITIES)),
            Command::Noop => self.channel.put(Reply::Ok("here")),
            Command::Reset => self.reset(),
            Command::Quit => return Ok(Next::Update),
            // What follows waits for the store. Boxed: an idle session pays nothing for it.
            Command::Stat => Box::pin(self.stat()).await?,
            Command::List(None) => Box::pin(self.list_all(put_size)).await?,
            Command::UniqueIds(None) => Box::pin(self.list_all(put_unique_id)).await?,
            Command::List(Some(number)) => {
                let entry = Box::pin(self.contents.entry(number)).await?;
                self.channel.put(Reply::ScanListing(number, entry.size));
            }
            Command::UniqueIds(Some(number)) => {
                let entry = Box::pin(self.contents.entry(number)).await?;
                self.channel.put(Reply::UniqueIdListing(number, entry.unique_id));
            }
            Command::Retrieve(number) => Box::pin(self.retrieve(number, Extent::Whole)).await?,
            Command::Top { number, lines } => Box::pin(self.retrieve(number, Extent::Top { lines })).await?,
            Command::Delete(number) => Box::pin(self.delete(number)).await?,
            Command::StartTls
            | Command::User(_)
            | Command::Password(_)
            | Command::Mechanisms
            | Command::Authenticate { .. }
            | Command::Utf8 => return Err(Fault::State),
        }
        Ok(Next::Command)
    }

    fn into_update(self) -> Update<D> {
        let marked = self.contents.listing.map(Listing::into_marked).unwrap_or_default();
        Update::new(self.channel, self.contents.maildrop, marked)
    }

    async fn stat(&mut self) -> Result<(), Fault> {
        let listing = self.contents.listing().await?;
        self.channel.put(Reply::DropListing { count: listing.live(), octets: listing.octets() });
        Ok(())
    }

    /// The answer to LIST and UIDL without argument, in pieces: it may be megabytes.
    async fn list_all(&mut self, put: PutLine<D::Handle>) -> Result<(), Fault> {
        let listing = self.contents.listing().await?;
        self.channel.put(Reply::Ok("the listing follows"));
        let mut from = 0;
        while let Some((index, entry)) = listing.next_from(from) {
            put(self.channel.out(), MessageNumber::from_index(index), &entry);
            self.channel.relieve().await?;
            from = index + 1;
        }
        self.channel.out().extend_from_slice(END);
        Ok(())
    }

    async fn retrieve(&mut self, number: MessageNumber, extent: Extent) -> Result<(), Fault> {
        let entry = self.contents.entry(number).await?;
        let mut message = self.contents.maildrop.retrieve(entry.handle, extent).await?;
        // The first chunk comes before the reply: until then a fault can still be told.
        let first = message.next_chunk().await?;
        self.channel.put(Reply::Message { octets: entry.size });
        let mut excerpt = match extent {
            Extent::Whole => None,
            Extent::Top { lines } => Some(TopExcerpt::new(lines)),
        };
        let mut stuffer = DotStuffer::new();
        let mut next = first;
        while let Some(chunk) = next {
            let shown = excerpt.as_mut().map_or(&chunk[..], |excerpt| excerpt.cut(&chunk));
            for piece in shown.chunks(PIECE) {
                stuffer.encode(piece, self.channel.out());
                self.channel.relieve().await?;
            }
            if excerpt.as_ref().is_some_and(TopExcerpt::is_done) {
                break;
            }
            next = message.next_chunk().await.map_err(|_| Fault::BrokenOff)?;
        }
        stuffer.finish(self.channel.out());
        Ok(())
    }

    async fn delete(&mut self, number: MessageNumber) -> Result<(), Fault> {
        self.contents.listing().await?.mark(number).ok_or(Fault::NoSuchMessage)?;
        self.channel.put(Reply::Ok("marked as deleted"));
        Ok(())
    }

    fn reset(&mut self) {
        if let Some(listing) = &mut self.contents.listing {
            listing.unmark_all();
        }
        self.channel.put(Reply::Ok("nothing is marked as deleted"));
    }
}

impl<D: Maildrop> Contents<D> {
    async fn listing(&mut self) -> Result<&mut Listing<D::Handle>, MaildropError> {
        let listing = match self.listing.take() {
            Some(listing) => listing,
            None => Listing::new(self.maildrop.snapshot().await?),
        };
        Ok(self.listing.insert(listing))
    }

    async fn entry(&mut self, number: MessageNumber) -> Result<Entry<D::Handle>, Fault> {
        self.listing().await?.get(number).ok_or(Fault::NoSuchMessage)
    }
}

type PutLine<Handle> = fn(&mut Vec<u8>, MessageNumber, &Entry<Handle>);

fn put_size<Handle>(out: &mut Vec<u8>, number: MessageNumber, entry: &Entry<Handle>) {
    put_scan_listing(out, number, entry.size);
}

fn put_unique_id<Handle>(out: &mut Vec<u8>, number: MessageNumber, entry: &Entry<Handle>) {
    put_unique_id_listing(out, number, entry.unique_id);
}

/// How much content is encoded before the session looks whether to send, in octets.
const PIECE: usize = 32 * 1024;
const CAPABILITIES: &[Capability] = super::authorization::CAPABILITIES_PROTECTED;
