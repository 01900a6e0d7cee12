//! Mail that arrives while its user is removed, and what earlier versions left of such mail.

use std::time::Duration;

use super::*;
use crate::message::Plaintext;
use crate::names::{MessageId, UserId};
use crate::records::RecordError;
use crate::seal::EnvelopeFacts;
use crate::tenant::rows::MessageRow;
use crate::vault::seal::{Arrival, Stored, make_room, seal};
use crate::vault::{mailboxes, sweep};

impl World {
    /// A message that is sealed, and has no row yet.
    pub(super) async fn sealed(&self, user: UserRef) -> Stored {
        let arrival = Arrival {
            user,
            message: MessageId::random(),
            content: Plaintext::from(b"Subject: late\r\n\r\nhello\r\n".to_vec()),
            received: self.now(),
            envelope: EnvelopeFacts {
                reverse_path: String::new(),
                addressee: "ann@a.example".to_owned(),
                protocol: "ESMTP".to_owned(),
            },
            uploader: None,
            room: make_room(&self.vault, user, 0).await,
        };
        seal(&self.vault, arrival).await.expect("sealed")
    }

    pub(super) async fn add(&self, user: UserRef, stored: Stored) -> Result<u32, RecordError> {
        let (number, committed) =
            self.vault.mailboxes.add(&self.vault.records, user, stored.row.clone()).await?;
        stored.release(committed);
        Ok(number)
    }

    async fn remove(&self, tenant: TenantId) {
        let row = self.vault.records.system().get(&[tenant.as_bytes()]).expect("it opens").expect("a tenant");
        remove::tenant(&self.vault, &self.sessions, tenant, row, BY, |_, _| {}).await.expect("removed");
    }

    pub(super) fn rows_of(&self, user: UserRef) -> usize {
        self.vault
            .records
            .tenant(user.tenant)
            .list::<MessageRow>(&[user.user.as_bytes()])
            .expect("a list")
            .len()
    }
}

#[tokio::test]
async fn nothing_arrives_behind_a_removal() {
    for looked_at in [false, true] {
        let world = World::new().await;
        let user = world.user;
        if looked_at {
            mailboxes::folders(&world.vault, user).await.expect("a picture is loaded");
        }
        let (early, late, uploaded) =
            (world.sealed(user).await, world.sealed(user).await, world.sealed(user).await);
        world.add(user, early).await.expect("it is there");
        world.remove(user.tenant).await;
        let refused = world.add(user, late).await;
        assert!(matches!(refused, Err(RecordError::Closed)), "{refused:?}");
        let flags = crate::mailbox::FlagChange {
            edit: crate::mailbox::FlagEdit::Add,
            system: crate::mailbox::Flags::none(),
            keywords: Vec::new(),
        };
        let inbox = crate::mailbox::FolderId::INBOX;
        assert!(mailboxes::place(&world.vault, user, uploaded, inbox, &flags).await.is_err());
        assert_eq!(world.rows_of(user), 0);
        sweep::seeds(&world.vault, Some(world.now())).await.expect("swept");
    }
}

/// Rows that arrived behind a removal, before that was prevented.
#[tokio::test]
async fn mail_that_is_nobodys_does_not_stop_sweeps() {
    let world = World::new().await;
    let kept = world.sealed(world.user).await;
    let orphan = kept.row.clone();
    world.add(world.user, kept).await.expect("it is there");
    let gone = UserRef { tenant: TenantId::random(), user: UserId::random() };
    let mut batch = Batch::new();
    let parts: [&[u8]; 2] = [gone.user.as_bytes(), &1_u32.to_be_bytes()];
    world.vault.records.tenant(gone.tenant).put(&mut batch, &parts, &orphan);
    let _committed = world.vault.records.commit(batch).await.expect("committed");
    let removed = sweep::seeds(&world.vault, Some(world.now())).await.expect("swept");
    assert_eq!(removed, 0, "what is somebody's stays");
    let pace = crate::store::sweep::Pace { grace: Duration::ZERO, pause: Duration::ZERO };
    let swept = sweep::run(&world.vault, pace).await.expect("swept");
    assert_eq!(swept.removed, 0);
    // A user whose tenant cannot be found is no nobody.
    let mut batch = Batch::new();
    let row = registry::user(&world.vault.records, world.user).expect("it opens").expect("a user");
    let parts: [&[u8]; 2] = [gone.tenant.as_bytes(), gone.user.as_bytes()];
    world.vault.records.tenant(gone.tenant).put(&mut batch, &parts, &row);
    let _committed = world.vault.records.commit(batch).await.expect("committed");
    let unsure = sweep::seeds(&world.vault, Some(world.now())).await;
    assert!(matches!(unsure, Err(sweep::SweepError::Unsure(user)) if user == gone.user), "{unsure:?}");
}
