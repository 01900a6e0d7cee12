//! Memory that work has which nobody waits for any more.

use std::sync::{Condvar, Mutex, PoisonError};

use futures::FutureExt;
use tokio::sync::Notify;

use super::*;
use crate::message::Plaintext;
use crate::names::{MessageId, UserId};
use crate::seal::EnvelopeFacts;
use crate::vault::seal::{Arrival, make_room, seal};

/// Holds up whoever looks at rows, while it is shut.
#[derive(Default)]
pub(super) struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
    waiting: Notify,
}

impl Gate {
    pub(super) fn pass(&self) {
        let mut shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        while *shut {
            self.waiting.notify_one();
            shut = self.opened.wait(shut).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = shut;
        self.opened.notify_all();
    }
}

/// The sender hangs up, or a server that stops has no patience: the thread that seals goes on, and so does its
/// part of the budget.
#[tokio::test]
async fn sealing_that_nobody_waits_for_keeps_its_memory_until_it_ends() {
    let world = World::new().await;
    let (vault, user) = (world.vault.clone(), world.user);
    let text = [b"Subject: large\r\n\r\n".as_slice(), &b"0123456789abcdef".repeat(64 * 1024)].concat();
    let room = make_room(&vault, user, text.len()).await;
    let arrival = Arrival {
        user,
        message: MessageId::random(),
        content: Plaintext::from(text),
        received: world.now(),
        envelope: EnvelopeFacts {
            reverse_path: String::new(),
            addressee: "ann@a.example".to_owned(),
            protocol: "ESMTP".to_owned(),
        },
        uploader: None,
        room,
    };
    world.ledger.gate.set(true);
    let sealing = tokio::spawn(async move { seal(&vault, arrival).await.map(drop) });
    world.ledger.gate.waiting.notified().await;
    sealing.abort();
    assert!(sealing.await.expect_err("it was ended").is_cancelled());
    let somebody = UserId::random();
    let early = world.vault.sealing.take(somebody, 1).now_or_never();
    assert!(early.is_none(), "the thread still has the message");
    world.ledger.gate.set(false);
    let _lease = world.vault.sealing.take(somebody, 1).await;
}
