//! The UPDATE state (RFC 1939 §6): what was marked is deleted, durably, before the client hears so.

use super::SessionEnd;
use super::channel::Channel;
use super::fault::Fault;
use crate::gateway::mailroom::Maildrop;
use crate::wire::pop3::Reply;

pub(super) struct Update<D: Maildrop> {
    channel: Channel,
    maildrop: D,
    marked: Vec<D::Handle>,
}

impl<D: Maildrop> Update<D> {
    pub(super) fn new(channel: Channel, maildrop: D, marked: Vec<D::Handle>) -> Self {
        Self { channel, maildrop, marked }
    }

    pub(super) async fn run(mut self) -> SessionEnd {
        let done = match self.marked.is_empty() {
            true => Ok(()),
            false => self.maildrop.delete(self.marked).await,
        };
        match done {
            Ok(()) => self.channel.put(Reply::Ok("goodbye")),
            // The fault closes the session as QUIT does.
            Err(_) => drop(self.channel.answer(&Fault::NotDeleted)),
        }
        self.channel.close(SessionEnd::Quit).await
    }
}
