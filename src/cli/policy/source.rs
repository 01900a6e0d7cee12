//! Where a policy's text comes from: a file, or the shipped policies by name.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::cli::terminal::Failed;
use crate::policy::{self, Policy, PolicyErrors};

/// A policy's text, not parsed yet.
pub struct Source {
    /// What the person called it: a path, or a shipped name.
    pub place: String,
    /// The name that views would refer to it by.
    pub name: String,
    /// The TOML.
    pub text: String,
}

impl Source {
    /// Reads a file; a word that names no file and a shipped policy is that policy.
    pub fn find(path: &Path) -> Result<Self, Failed> {
        let place = path.display().to_string();
        let shipped = policy::shipped().iter().find(|(name, _)| path.as_os_str() == *name);
        if let (Some((name, text)), false) = (shipped, path.is_file()) {
            return Ok(Self { place, name: (*name).to_owned(), text: (*text).to_owned() });
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let octets = read(path, policy::MAX_OCTETS as u64).map_err(|error| {
            let names: Vec<&str> = policy::shipped().iter().map(|(name, _)| *name).collect();
            Failed::new(format!("{place}: {error}"))
                .hint(format!("name a policy file, or a shipped policy: {}", names.join(", ")))
        })?;
        let text = String::from_utf8(octets)
            .map_err(|_| Failed::new(format!("{place} is no text")).hint("a policy is TOML, in UTF-8"))?;
        Ok(Self { place, name, text })
    }

    /// The checked policy, or everything that is wrong with it.
    pub fn parse(&self) -> Result<Policy, PolicyErrors> {
        policy::parse(&self.text, &self.name)
    }

    /// The checked policy, where its mistakes are not the question.
    pub fn policy(&self) -> Result<Policy, Failed> {
        self.parse().map_err(|errors| {
            Failed::new(errors)
                .hint(format!("mend it; `veilpost policy check {}` checks it again", self.place))
        })
    }
}

/// A file of at most `limit` octets, and one more where it has more; `-` is standard input.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    if path.as_os_str() == "-" {
        io::stdin().lock().take(limit + 1).read_to_end(&mut octets)?;
    } else {
        File::open(path)?.take(limit + 1).read_to_end(&mut octets)?;
    }
    Ok(octets)
}

/// A message from a file or standard input.
pub fn message(path: &Path) -> Result<Vec<u8>, Failed> {
    let octets = read(path, MAX_MESSAGE).map_err(|error| {
        Failed::new(format!("{}: {error}", path.display()))
            .hint("name a message file, or - for standard input")
    })?;
    if octets.len() as u64 > MAX_MESSAGE {
        let most = MAX_MESSAGE >> 20;
        return Err(Failed::new(format!("{} has more than {most} MiB", path.display())));
    }
    Ok(octets)
}

/// Octets of a message: as many as a generous server takes.
const MAX_MESSAGE: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// Editors of other systems put a mark at the beginning, and end lines otherwise.
    #[test]
    fn texts_of_other_systems_are_policies() {
        for (name, text) in policy::shipped() {
            let text = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            assert!(policy::parse(&text, name).is_ok(), "{name}");
            let settings = "\u{feff}hostname = \"mx.example.org\"\r\n[log]\r\nlevel = \"warn\"\r\n";
            let config = crate::config::Config::parse(settings, Path::new("/etc/veilpost/veilpost.toml"));
            assert!(config.is_ok(), "{:?}", config.err());
        }
    }

    #[test]
    fn files_come_before_shipped_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phone.toml");
        std::fs::write(&path, "version = 1").unwrap();
        let source = Source::find(&path).unwrap();
        assert_eq!((source.name.as_str(), source.text.as_str()), ("phone", "version = 1"));
        assert!(source.policy().is_ok());
        assert_eq!(Source::find("excerpt".as_ref()).unwrap().name, "excerpt");
        assert!(Source::find(&folder.path().join("none.toml")).is_err());
    }

    #[test]
    fn reading_stops_behind_the_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("long");
        std::fs::write(&path, [b'x'; 100]).unwrap();
        assert_eq!(read(&path, 10).unwrap().len(), 11);
    }
}
