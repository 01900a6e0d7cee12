//! IDLE (RFC 2177, RFC 9051 §6.3.13): the client waits for news. Nothing is polled: the session sleeps until
//! the mailbox changes, the client says DONE, the server shuts down, or the client has slept for too long.

use tokio::time::Instant;

use super::authenticated::{Answer, Authenticated};
use super::fault::Fault;
use super::fetch::Sink;
use super::room::Account;
use super::selected::Expunges;
use crate::wire::imap::response::put_continuation;

impl<A: Account> Authenticated<A> {
    /// Tells news until the client says DONE.
    pub(super) async fn idle(&mut self) -> Result<Answer, Fault> {
        let until = Instant::now() + self.desk.settings.inactivity;
        put_continuation(self.desk.channel.out(), "idling");
        loop {
            // Boxed: a session that sleeps pays nothing for it.
            match &mut self.selected {
                Some(selected) => Box::pin(selected.sync(&mut self.desk, Expunges::Tell)).await?,
                // There is no news without a folder, but the view may be no longer open to this client.
                None => drop(Box::pin(self.desk.account.folders()).await?),
            }
            self.desk.channel.send().await?;
            tokio::select! {
                biased;
                line = self.desk.channel.wait_for_line(MAX_DONE, until) => {
                    let is_done = line?.eq_ignore_ascii_case(b"DONE");
                    return if is_done { Ok(Answer::plain("no longer idling")) } else { Err(Fault::NotDone) };
                }
                () = self.desk.account.changed() => {}
            }
        }
    }
}

/// DONE and its line end, in octets, with some room for spaces.
const MAX_DONE: usize = 64;
