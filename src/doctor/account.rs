//! Whom the server runs as, and what that user may do with a file. Knows modes, owners and the primary
//! group; neither access lists nor further groups.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::System;
use super::unit::Unit;
use crate::config::Config;

/// The user that the server runs as, or will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// Its name, or its number in digits.
    pub name: String,
}

impl Account {
    /// The unit's user if the unit serves this file, else whoever owns the data folder, else whoever asks.
    pub(super) fn of_server(config: &Config, file: &Path, system: &System) -> Self {
        Self::of_unit(file, system).unwrap_or_else(|| {
            let owner = std::fs::metadata(&config.data_dir).map(|found| (found.uid(), found.gid()));
            let me = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            Self::numbered(owner.unwrap_or(me), system)
        })
    }

    /// The user that systemd starts the server as, where it has a unit that serves this file.
    pub fn of_unit(file: &Path, system: &System) -> Option<Self> {
        let unit = Unit::find(system).filter(|unit| unit.serves(file))?;
        Self::named(unit.last("User")?, system)
    }

    /// passwd(5): name, password, number, group's number, …
    fn named(name: &str, system: &System) -> Option<Self> {
        entries(system).into_iter().find(|account| account.name == name)
    }

    fn numbered((uid, gid): (u32, u32), system: &System) -> Self {
        let found = entries(system).into_iter().find(|account| account.uid == uid);
        found.unwrap_or_else(|| Self { uid, gid, name: uid.to_string() })
    }

    /// Whether the account has all of `wanted` (4 read, 2 write, 1 enter) on what `found` is of.
    pub(super) fn may(&self, found: &Metadata, wanted: u32) -> bool {
        let mode = found.mode();
        let bits = match () {
            () if self.uid == 0 => 0o7,
            () if found.uid() == self.uid => mode >> 6,
            () if found.gid() == self.gid => mode >> 3,
            () => mode,
        };
        bits & wanted == wanted
    }
}

fn entries(system: &System) -> Vec<Account> {
    let text = std::fs::read_to_string(system.at("/etc/passwd")).unwrap_or_default();
    let entry = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let mut number = || fields.next()?.parse().ok();
        let _password: Option<u32> = number();
        Some(Account { name, uid: number()?, gid: number()? })
    };
    text.lines().filter_map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::super::testing::Fresh;
    use super::*;

    #[test]
    fn the_units_user_counts_and_else_the_datas_owner() {
        let mut fresh = Fresh::new();
        let file = fresh.folder.path().join("veilpost.toml");
        let of = |fresh: &Fresh| Account::of_server(&fresh.config, &file, &fresh.system);
        assert_eq!(of(&fresh).uid, fresh.me);
        fresh.me = 4711;
        fresh.install_unit();
        assert_eq!((of(&fresh).uid, of(&fresh).name.as_str()), (4711, "veilpost"));
        let other = Account::of_server(&fresh.config, Path::new("/elsewhere.toml"), &fresh.system);
        assert_ne!(other.uid, 4711, "the unit is another configuration's");
    }

    #[test]
    fn modes_say_what_an_account_may() {
        let fresh = Fresh::new();
        let found = std::fs::metadata(&fresh.config.key_dir).expect("there");
        let (ours, group) = (found.uid(), found.gid());
        let account = |uid, gid| Account { uid, gid, name: String::new() };
        assert!(account(ours, group).may(&found, 0o7));
        assert!(!account(4711, group).may(&found, 0o1), "mode 0700");
        assert!(account(0, 0).may(&found, 0o7));
    }
}
