//! `veilpost address`.

use clap::Subcommand;

use super::Common;
use super::terminal::{Failed, harmless, print, table};
use super::unlock::Authorising;
use crate::admin::api::{AddressItem, Request, SwitchedOff};
use crate::admin::client::Client;

/// Commands on addresses.
#[derive(Subcommand)]
pub enum Address {
    /// Take mail for an address (and its +tags), for a whole domain (@domain), or under an alias
    #[command(
        after_help = "Examples:\n  veilpost address add office@firm.example --user ann@firm.example\n  veilpost address add @firm.example --user ann@firm.example\n  veilpost address add press@firm.example --alias-of office@firm.example"
    )]
    Add {
        /// The address, or @domain for everything that nothing else takes
        address: String,
        /// The login of the user whose mailbox takes the mail
        #[arg(long, required_unless_present = "alias_of", conflicts_with = "alias_of")]
        user: Option<String>,
        /// Another local address that it stands for
        #[arg(long)]
        alias_of: Option<String>,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// List addresses
    List {
        /// Only of this tenant
        tenant: Option<String>,
    },
    /// Let an address be for one more person of the tenant: each gets the mail, sealed for their own views
    #[command(after_help = "Example:\n  veilpost address share office@firm.example --with bob@firm.example")]
    Share {
        /// The address, or @domain
        address: String,
        /// The login of who gets the mail too
        #[arg(long, value_name = "LOGIN")]
        with: String,
    },
    /// Let a shared address be for somebody no more; mail that came stays
    Unshare {
        /// The address, or @domain
        address: String,
        /// The login of who gets the mail no more
        #[arg(long, value_name = "LOGIN")]
        with: String,
    },
    /// Refuse mail for an address until it is switched on again; it stays whose it is
    #[command(
        after_help = "Example:\n  veilpost address off press@firm.example --note \"spam since the fair\"\n\nSenders are told 550 5.2.1 and nothing of the note. A login goes on to sign in."
    )]
    Off {
        /// The address, or @domain
        address: String,
        /// Why, for those who look after the tenant: lists show it
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// Take mail again for an address that was switched off
    On {
        /// The address, or @domain
        address: String,
        #[command(flatten)]
        authorising: Authorising,
    },
    /// Take no more mail for an address; mail that came stays
    Remove {
        /// The address, or @domain
        address: String,
        #[command(flatten)]
        authorising: Authorising,
    },
}

/// `veilpost address`.
pub fn address(command: Address, common: &Common) -> Result<(), Failed> {
    let mut client = common.client()?;
    match command {
        Address::Add { address, user, alias_of, authorising } => {
            let done: serde_json::Value = authorising.if_needed(&mut client, |client, authority| {
                let (address, user, alias_of) = (address.clone(), user.clone(), alias_of.clone());
                Ok(client.call(Request::AddressAdd { address, user, alias_of, authority })?)
            })?;
            print(common.json, &done, |_| "Added.".to_owned())
        }
        Address::Share { address, with } => {
            let request = Request::AddressShare { address, user: with, authority: None };
            let done: serde_json::Value = client.call(request)?;
            print(common.json, &done, |_| "Shared.".to_owned())
        }
        Address::Unshare { address, with } => {
            let request = Request::AddressUnshare { address, user: with };
            let done: serde_json::Value = client.call(request)?;
            print(common.json, &done, |_| "Taken from them.".to_owned())
        }
        Address::List { tenant } => {
            let addresses: Vec<AddressItem> = client.call(Request::AddressList { tenant })?;
            print(common.json, &addresses, |addresses| {
                let row = |item: &AddressItem| {
                    let note = if item.standing { "(by the standards)" } else { "" };
                    let alias = item.alias_of.clone().unwrap_or_else(|| note.to_owned());
                    let users = std::iter::once(&item.user).chain(&item.shared_with);
                    let users: Vec<&str> = users.map(String::as_str).collect();
                    [item.address.clone(), users.join(", "), alias, state(item)]
                };
                table(
                    ["ADDRESS", "USER", "ALIAS OF", "STATE"],
                    &addresses.iter().map(row).collect::<Vec<_>>(),
                    "No addresses.",
                )
            })
        }
        Address::Off { address, note, authorising } => {
            switch(&mut client, (&address, false, note), &authorising).and_then(|done| {
                print(common.json, &done, |_| "Off. Its mail is refused from now on.".to_owned())
            })
        }
        Address::On { address, authorising } => switch(&mut client, (&address, true, None), &authorising)
            .and_then(|done| print(common.json, &done, |_| "On. Its mail is taken again.".to_owned())),
        Address::Remove { address, authorising } => {
            let done: serde_json::Value = authorising.if_needed(&mut client, |client, authority| {
                Ok(client.call(Request::AddressRemove { address: address.clone(), authority })?)
            })?;
            print(common.json, &done, |_| "Removed. Mail that came stays.".to_owned())
        }
    }
}

fn switch(
    client: &mut Client,
    (address, on, note): (&str, bool, Option<String>),
    authorising: &Authorising,
) -> Result<serde_json::Value, Failed> {
    authorising.if_needed(client, |client, authority| {
        let (address, note) = (address.to_owned(), note.clone());
        Ok(client.call(Request::AddressSwitch { address, on, note, authority })?)
    })
}

/// Whether mail is taken, and if not, since when, by whom and why.
fn state(item: &AddressItem) -> String {
    match &item.off {
        None => "on".to_owned(),
        Some(SwitchedOff { since, by, note }) => {
            let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            harmless(&format!("off since {since}, by {by}{note}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_off_says_why_and_controls_no_terminal() {
        let off = |note: Option<&str>| AddressItem {
            address: "press@firm.example".to_owned(),
            user: "ann@firm.example".to_owned(),
            alias_of: None,
            standing: false,
            shared_with: Vec::new(),
            off: Some(SwitchedOff {
                since: "2026-11-30T10:00:00Z".to_owned(),
                by: "ann@firm.example".to_owned(),
                note: note.map(str::to_owned),
            }),
        };
        assert_eq!(
            state(&off(Some("spam since the fair"))),
            "off since 2026-11-30T10:00:00Z, by ann@firm.example: spam since the fair"
        );
        assert_eq!(state(&off(None)), "off since 2026-11-30T10:00:00Z, by ann@firm.example");
        assert!(!state(&off(Some("\u{1b}[2J"))).contains('\u{1b}'));
        assert_eq!(state(&AddressItem { off: None, ..off(None) }), "on");
    }
}
