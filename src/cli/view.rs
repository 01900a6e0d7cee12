//! `veilpost view` and `credential`.

use clap::Subcommand;

use super::Common;
use super::terminal::{Bar, Failed, Style, confirm, print, say, styled, table};
use super::unlock::{Authorising, Unlocking};
use crate::admin::api::{
    Authority, CredentialCreated, CredentialFetched, CredentialItem, FailureCode, Request, Secret, ViewItem,
};
use crate::admin::client::Client;

/// Commands on views.
#[derive(Subcommand)]
pub enum View {
    /// Make a view and its first app password
    #[command(
        after_help = "Example:\n  veilpost view create ann@firm.example phone --policy sender-and-date --as ann@firm.example"
    )]
    Create {
        /// The login of the user whose mail it shows
        login: String,
        /// The view's name
        name: String,
        /// Its policy (see `veilpost policy list`)
        #[arg(long)]
        policy: String,
        /// What the first device is called
        #[arg(long)]
        label: Option<String>,
        /// Seal older mail for it at once; without it the view begins empty
        #[arg(long)]
        reseal: bool,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// List views
    List {
        /// Only of this user
        login: Option<String>,
    },
    /// Give a view another policy; needs an unlock where it reveals more
    Policy {
        /// The user's login
        login: String,
        /// The view's name
        name: String,
        /// The new policy
        policy: String,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// Remove a view with its credentials
    Remove {
        /// The user's login
        login: String,
        /// The view's name
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Seal old mail again for today's views and policies
    Reseal {
        /// The user's login
        login: String,
        #[command(flatten)]
        unlocking: Unlocking,
    },
}

/// `veilpost view`.
pub fn view(command: View, common: &Common) -> Result<(), Failed> {
    let mut client = common.client()?;
    match command {
        View::Create { login, name, policy, label, reseal, authorising } => {
            let kept = std::cell::RefCell::new(None);
            let made: CredentialCreated = authorising.with_authority(&mut client, |client, authority| {
                let (user, name, policy, label) =
                    (login.clone(), name.clone(), policy.clone(), label.clone());
                let session = match &authority {
                    Authority::Session(session) if reseal => Some(Secret::new(session.expose().to_owned())),
                    _ => None,
                };
                let made = client.call(Request::ViewCreate { user, name, policy, label, authority })?;
                *kept.borrow_mut() = session;
                Ok(made)
            })?;
            print(common.json, &made, app_password)?;
            match kept.into_inner() {
                Some(session) => fill(&mut client, login, session, common.json),
                None if common.json => Ok(()),
                None => tell_missing(&mut client, &login, &name),
            }
        }
        View::List { login } => {
            let views: Vec<ViewItem> = client.call(Request::ViewList { user: login })?;
            print(common.json, &views, |views| {
                let row = |item: &ViewItem| {
                    [
                        item.user.clone(),
                        item.name.clone(),
                        item.policy.clone(),
                        item.credentials.to_string(),
                        if item.older_mail_missing { "not sealed for it yet" } else { "" }.to_owned(),
                        item.created.clone(),
                    ]
                };
                let mut text = table(
                    ["USER", "VIEW", "POLICY", "CREDENTIALS", "OLDER MAIL", "CREATED"],
                    &views.iter().map(row).collect::<Vec<_>>(),
                    "No views. Make one with `veilpost view create LOGIN NAME --policy POLICY`.",
                );
                if views.iter().any(|view| view.older_mail_missing) {
                    text.push_str(MISSING);
                }
                text
            })
        }
        View::Policy { login, name, policy, authorising } => {
            let ask = |client: &mut crate::admin::client::Client, authority| {
                let (user, view, policy) = (login.clone(), name.clone(), policy.clone());
                Ok(client.call(Request::ViewPolicy { user, view, policy, authority })?)
            };
            let done: serde_json::Value = match ask(&mut client, None) {
                Err::<_, Failed>(failed) if failed.code() == Some(FailureCode::UnlockNeeded) => {
                    authorising
                        .with_authority(&mut client, |client, authority| ask(client, Some(authority)))?
                }
                done => done?,
            };
            print(common.json, &done, |_| {
                "Changed. New mail follows it; of old mail the view shows what both policies allow, until `veilpost view reseal`.".to_owned()
            })
        }
        View::Remove { login, name, yes } => {
            confirm(&format!("Devices that use the view {name} will see nothing any more."), yes)?;
            let done: serde_json::Value = client.call(Request::ViewRemove { user: login, view: name })?;
            print(common.json, &done, |_| "Removed.".to_owned())
        }
        View::Reseal { login, unlocking } => {
            let bar = Bar::new();
            let done: serde_json::Value = unlocking.with_session(&mut client, |client, session| {
                let request = Request::Reseal { user: login.clone(), session };
                Ok(client.call_with(request, |progress| bar.show(&progress), |_| Ok(()))?)
            })?;
            drop(bar);
            print(common.json, &done, |done| {
                format!("Resealed {} messages; {} are damaged.", done["resealed"], done["damaged"])
            })
        }
    }
}

/// Seals older mail for a view that was just made.
fn fill(client: &mut Client, user: String, session: Secret, json: bool) -> Result<(), Failed> {
    let bar = Bar::new();
    let request = Request::Reseal { user, session };
    let done: serde_json::Value = client.call_with(request, |progress| bar.show(&progress), |_| Ok(()))?;
    drop(bar);
    // With --json the view is the answer: programs read one value.
    if json {
        Ok(())
    } else {
        print(false, &done, |done| format!("Sealed {} older messages for it.", done["resealed"]))
    }
}

/// Says on the side that a new view has no older mail yet.
fn tell_missing(client: &mut Client, login: &str, name: &str) -> Result<(), Failed> {
    let views: Vec<ViewItem> = client.call(Request::ViewList { user: Some(login.to_owned()) })?;
    if views.iter().any(|view| view.name == name && view.older_mail_missing) {
        return say(&format!(
            "The view is empty until mail comes: older mail is not sealed for it yet. \
             `veilpost view reseal {login}` does that."
        ));
    }
    Ok(())
}

/// What stands below a list of views of which some lack older mail.
const MISSING: &str = "\nEmpty, or with new mail only: older mail is not sealed for these views yet. \
                       `veilpost view reseal LOGIN` seals it, for all views of that user.\n";

/// Commands on credentials.
#[derive(Subcommand)]
pub enum Credential {
    /// Make a further app password for a view, for another device
    Create {
        /// The user's login
        login: String,
        /// The view's name
        view: String,
        /// What the device is called
        #[arg(long)]
        label: String,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// List the credentials of a user's views
    List {
        /// The user's login
        login: String,
    },
    /// Revoke a credential, and list what it has fetched
    Revoke {
        /// The credential's identifier
        id: String,
    },
    /// Put a new app password in the place of an old one
    Rotate {
        /// The credential's identifier
        id: String,
        #[command(flatten)]
        authorising: Authorising,
    },
}

/// `veilpost credential`.
pub fn credential(command: Credential, common: &Common) -> Result<(), Failed> {
    let mut client = common.client()?;
    match command {
        Credential::Create { login, view, label, authorising } => {
            let made: CredentialCreated = authorising.with_authority(&mut client, |client, authority| {
                let (user, view, label) = (login.clone(), view.clone(), label.clone());
                Ok(client.call(Request::CredentialCreate { user, view, label, authority })?)
            })?;
            print(common.json, &made, app_password)
        }
        Credential::List { login } => {
            let credentials: Vec<CredentialItem> = client.call(Request::CredentialList { user: login })?;
            print(common.json, &credentials, |credentials| {
                let row = |item: &CredentialItem| {
                    let used = item.last_used.clone().unwrap_or_else(|| "never".to_owned());
                    [item.view.clone(), item.label.clone(), used, item.created.clone(), item.id.clone()]
                };
                table(
                    ["VIEW", "DEVICE", "LAST USED", "CREATED", "ID"],
                    &credentials.iter().map(row).collect::<Vec<_>>(),
                    "No credentials.",
                )
            })
        }
        Credential::Revoke { id } => {
            let revoked: CredentialFetched = client.call(Request::CredentialRevoke { credential: id })?;
            print(common.json, &revoked, revocation)
        }
        Credential::Rotate { id, authorising } => {
            let made: CredentialCreated = authorising.with_authority(&mut client, |client, authority| {
                Ok(client.call(Request::CredentialRotate { credential: id.clone(), authority })?)
            })?;
            print(common.json, &made, app_password)
        }
    }
}

/// What a device that was shut out has seen.
fn revocation(revoked: &CredentialFetched) -> String {
    let count = revoked.fetched.len();
    let list = revoked.fetched.iter().map(|id| format!("  {id}\n")).collect::<String>();
    let end = if count == 0 { "." } else { ":" };
    let mut text = format!("Revoked. With it {count} messages were fetched{end}\n{list}");
    let listed = revoked.listed.len();
    if listed > 0 || revoked.listed_gone > 0 {
        let gone = match revoked.listed_gone {
            0 => String::new(),
            gone => format!(", and {gone} that have been deleted since"),
        };
        text.push_str(&format!(
            "Of {listed} more{gone}, lists showed what the view has for sender, subject, size and first words \
             (--json names them).\n"
        ));
    }
    text
}

fn app_password(made: &CredentialCreated) -> String {
    format!(
        "{}\n\n  view          {} ({})\n  login         {}\n  app password  {}\n  credential    {}\n",
        styled("Give this to one device. It is not shown again.", Style::Strong, &std::io::stdout()),
        made.view,
        made.policy,
        made.login,
        made.app_password.expose(),
        made.credential,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fetched: usize, listed: usize, listed_gone: u64) -> String {
        revocation(&CredentialFetched {
            credential: "c".to_owned(),
            fetched: vec!["m".to_owned(); fetched],
            listed: vec!["l".to_owned(); listed],
            listed_gone,
        })
    }

    #[test]
    fn what_was_fetched_and_what_was_listed_are_told_apart() {
        assert_eq!(told(0, 0, 0), "Revoked. With it 0 messages were fetched.\n");
        assert_eq!(told(2, 0, 0), "Revoked. With it 2 messages were fetched:\n  m\n  m\n");
        let both = told(1, 40, 3);
        assert!(
            both.starts_with("Revoked. With it 1 messages were fetched:\n  m\nOf 40 more, and 3 that"),
            "{both}"
        );
        assert!(!both.contains("  l\n"));
    }
}
