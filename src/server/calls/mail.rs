//! Calls of a person on their own mail, in an unlock session.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Answered, Server, answer, done, resume, time};
use crate::admin::api::{MailItem, MailWhole, Secret, SessionOpen, Unlocked as UnlockedAnswer};
use crate::admin::socket::Outlet;
use crate::audit::{LockCause, Origin};
use crate::keyring::Passphrase;
use crate::mailbox::FolderId;
use crate::owner::OwnerError;
use crate::owner::mail::{Listed, OwnerReader, Whole, delete as delete_message};
use crate::owner::sessions::Token;
use crate::owner::step_up::{is_asked, step_up};
use crate::owner::unlock::{Attempt, record_ends, unlock as owner_unlock};
use crate::tenant::registry;

pub async fn unlock(
    server: &Server,
    login: String,
    password: &Secret,
    code: &Secret,
    reason: Option<String>,
    origin: Origin,
) -> Answered {
    let attempt = Attempt {
        login,
        password: Passphrase::new(password.expose().to_owned()),
        code: code.expose().to_owned(),
        reason,
        origin,
        token: None,
    };
    let opened = owner_unlock(&server.vault, &server.sessions, attempt).await?;
    answer(&UnlockedAnswer {
        session: Secret::new(opened.token.reveal().to_string()),
        until: time(opened.until.unix()),
        entry: opened.recorded.sequence(),
    })
}

pub fn session(server: &Server, session: &Secret) -> Answered {
    let token = Token::parse(session.expose()).ok_or(OwnerError::SessionEnded)?;
    let (user, term) =
        server.sessions.state(&token, server.vault.clock.now()).ok_or(OwnerError::SessionEnded)?;
    let user = registry::user(&server.vault.records, user).map_err(OwnerError::from)?;
    let login = user.ok_or(OwnerError::SessionEnded)?.login;
    answer(&SessionOpen { login, until: time(term.until.unix()) })
}

pub async fn lock(server: &Server, session: &Secret) -> Answered {
    let token = Token::parse(session.expose()).ok_or(OwnerError::SessionEnded)?;
    if let Some(ended) = server.sessions.close(&token) {
        let tenant = ended.user.tenant;
        record_ends(&server.vault, vec![ended], LockCause::ByPerson).await?;
        server.notary.attend(tenant);
    }
    done()
}

pub async fn list(server: &Server, session: &Secret, before: Option<u32>, limit: u32) -> Answered {
    let unlocked = resume(server, session.expose())?;
    let mut reader = OwnerReader::new(&server.vault, &unlocked)?;
    let listed = reader.list(before, limit.min(MAX_PAGE) as usize).await?;
    answer(&listed.into_iter().map(item).collect::<Vec<_>>())
}

pub async fn read(server: &Server, session: &Secret, message: &str, code: Option<&Secret>) -> Answered {
    let unlocked = resume(server, session.expose())?;
    let mut reader = OwnerReader::new(&server.vault, &unlocked)?;
    // Whoever gives a code wants it to count, also where none is asked for.
    if let Some(code) = code {
        let message = reader.named(message).await?;
        step_up(&server.vault, &unlocked, code.expose(), message).await?;
    }
    let whole = reader.read(message).await?;
    server.sessions.count_revealed(&unlocked, 1);
    let receipt = server.notary.receipt(&whole.recorded).await.map_err(OwnerError::from)?;
    answer(&shown(&whole, Some(serde_json::Value::String(receipt.to_string()))))
}

pub async fn export(server: &Server, session: &Secret, outlet: &Outlet) -> Answered {
    let unlocked = resume(server, session.expose())?;
    if is_asked(&server.vault, &unlocked)? {
        return Err(OwnerError::CodeNeeded.into());
    }
    let mut reader = OwnerReader::new(&server.vault, &unlocked)?;
    let rows = reader.rows()?;
    let (total, mut exported, mut damaged) = (rows.len() as u64, 0_u64, 0_u64);
    for (uid, row) in rows {
        // Nothing is opened beyond the unlock that allowed it.
        if !unlocked.is_live() {
            return Err(OwnerError::SessionEnded.into());
        }
        match reader.export(uid, row).await {
            Ok(whole) => {
                outlet.item(answer(&shown(&whole, None))?).await?;
                exported += 1;
            }
            Err(OwnerError::Damaged(_)) => damaged += 1,
            Err(error) => return Err(error.into()),
        }
        outlet.progress(exported + damaged, total, "messages exported");
    }
    server.sessions.count_revealed(&unlocked, exported);
    Ok(serde_json::json!({ "exported": exported, "damaged": damaged }))
}

pub async fn delete(server: &Server, session: &Secret, message: &str) -> Answered {
    let unlocked = resume(server, session.expose())?;
    let message = delete_message(&server.vault, &unlocked, message).await?;
    Ok(serde_json::json!({ "deleted": message.to_string() }))
}

fn item(listed: Listed) -> MailItem {
    let (shown, damaged) = match listed.shown {
        Ok(shown) => (shown, None),
        Err(error) => (Default::default(), Some(error.to_string())),
    };
    MailItem {
        uid: listed.uid,
        id: listed.row.message.to_string(),
        received: time(listed.row.received),
        from: shown.0,
        subject: shown.1,
        octets: listed.row.octets,
        trashed: listed.folder == FolderId::TRASH,
        damaged,
    }
}

fn shown(whole: &Whole, receipt: Option<serde_json::Value>) -> MailWhole {
    MailWhole {
        uid: whole.uid,
        id: whole.row.message.to_string(),
        received: time(whole.row.received),
        message: Secret::new(STANDARD.encode(&*whole.octets)),
        entry: whole.recorded.sequence(),
        receipt,
    }
}

/// Messages in one answer: each costs a manifest.
const MAX_PAGE: u32 = 1000;
