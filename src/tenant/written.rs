//! What a person writes for a new address, and what they mean where it is none: patterns that other mail
//! servers have, and halves of addresses. Addresses that are there already are found by
//! [`Destination::parse`], which also takes what earlier versions took.

use super::directory::Destination;
use crate::names::{Address, NameError};

/// Why a text is no new address. Holds nothing of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WrittenError {
    /// `*@domain`, `%@domain`, `@`-less stars: a catch-all as others write it.
    #[error("for everything at a domain that nothing else takes, write @domain, with nothing before the @")]
    CatchAll,
    /// `*`: everything.
    #[error("no address stands for all domains: add @domain for each, as in @firm.example")]
    Everything,
    /// `@` alone.
    #[error("write the domain after the @, as in @firm.example")]
    NoDomain,
    /// `name@`, without its domain.
    #[error("the domain is missing after the @, as in name@firm.example")]
    HalfAddress,
    /// `name@*`.
    #[error("an address is at one domain: add one for each domain")]
    EveryDomain,
    /// `*.domain`, `@*.domain`, `name@*.domain`.
    #[error("no pattern stands for subdomains: add each one, as in @mail.firm.example")]
    Subdomains,
    /// `sales-*@domain`.
    #[error("an address holds no pattern: it stands for itself and its +tags, and @domain for all the rest")]
    Pattern,
    /// `firm.example`: a domain alone.
    #[error("an address has the form name@domain; for everything at a domain write @domain")]
    DomainAlone,
    /// An address with an @ in front of it.
    #[error("only a domain follows the @ of a catch-all; for one address leave the first @ out")]
    AddressAfterAt,
    /// A catch-all where one address is wanted.
    #[error("this has to be one address, as in name@firm.example, and no whole domain")]
    OneAddress,
    /// None of these: what the form of addresses says.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Parses a new address, or `@domain` for a catch-all.
pub fn destination(text: &str) -> Result<Destination, WrittenError> {
    let text = text.trim();
    if let Some(meant) = meant(text) {
        return Err(meant);
    }
    Ok(Destination::parse(text)?)
}

/// Parses a new address that has to be one alone, as a login.
pub fn address(text: &str) -> Result<Address, WrittenError> {
    match destination(text)? {
        Destination::Exact(address) => Ok(address),
        Destination::CatchAll(_) => Err(WrittenError::OneAddress),
    }
}

/// What somebody means who writes no address.
fn meant(text: &str) -> Option<WrittenError> {
    use WrittenError as E;
    let wild = |part: &str| !part.is_empty() && part.chars().all(|letter| WILD.contains(letter));
    let Some((local, domain)) = text.rsplit_once('@') else {
        return match text {
            text if wild(text) => Some(E::Everything),
            text if text.contains('*') => Some(E::Subdomains),
            text if text.contains('.') => Some(E::DomainAlone),
            _ => None,
        };
    };
    match (local, domain) {
        ("", "") => Some(E::NoDomain),
        (local, domain) if wild(domain) => {
            Some(if local.is_empty() || wild(local) { E::Everything } else { E::EveryDomain })
        }
        (_, domain) if domain.contains(['*', '%', '?']) => Some(E::Subdomains),
        (local, "") if wild(local) => Some(E::CatchAll),
        (_, "") => Some(E::HalfAddress),
        (local, _) if wild(local) => Some(E::CatchAll),
        (local, _) if local.contains('*') && !local.starts_with('"') => Some(E::Pattern),
        (local, _) if local.starts_with('@') => Some(E::AddressAfterAt),
        _ => None,
    }
}

/// What stands for any text elsewhere: in globs, in SQL. A lone `?` as well.
const WILD: &str = "*%?";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_writes_a_pattern_is_told_what_to_write() {
        use WrittenError as E;
        for (text, error) in [
            ("*@firm.example", E::CatchAll),
            (" *@firm.example ", E::CatchAll),
            ("%@firm.example", E::CatchAll),
            ("**@firm.example", E::CatchAll),
            ("*@", E::CatchAll),
            ("*", E::Everything),
            ("%", E::Everything),
            ("*@*", E::Everything),
            ("@*", E::Everything),
            ("@", E::NoDomain),
            ("ann@", E::HalfAddress),
            ("ann@*", E::EveryDomain),
            ("*.firm.example", E::Subdomains),
            ("@*.firm.example", E::Subdomains),
            ("*@*.firm.example", E::Subdomains),
            ("ann@*.firm.example", E::Subdomains),
            ("sales-*@firm.example", E::Pattern),
            ("firm.example", E::DomainAlone),
            ("@ann@firm.example", E::AddressAfterAt),
            ("ann", E::Name(NameError::Form)),
            ("", E::Name(NameError::Form)),
            ("a b@firm.example", E::Name(NameError::Local)),
            ("@-", E::Name(NameError::Domain)),
        ] {
            assert_eq!(destination(text).err(), Some(error), "{text}");
        }
        assert_eq!(address("@firm.example").err(), Some(E::OneAddress));
    }

    #[test]
    fn addresses_and_catch_alls_are_taken() {
        for (text, taken) in [
            ("Ann@Firm.example", "ann@firm.example"),
            (" @firm.example", "@firm.example"),
            ("ann+tag@firm.example", "ann+tag@firm.example"),
            ("50%@firm.example", "50%@firm.example"),
            ("what?@firm.example", "what?@firm.example"),
        ] {
            assert_eq!(destination(text).map(|taken| taken.reveal()).as_deref(), Ok(taken), "{text}");
        }
    }
}
