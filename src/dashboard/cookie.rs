//! The session cookie (RFC 6265bis): `__Host-` binds it to this host and to HTTPS; it is kept from
//! scripts, and from requests that other sites have the browser send, but for a link that is followed.

use axum::http::{HeaderMap, HeaderValue, header};

use crate::owner::familiar::LASTS;
use crate::owner::sessions::Token;

/// The session that the browser carries.
pub fn read(headers: &HeaderMap) -> Option<Token> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value);
    // Two of them would be somebody's trick.
    let (value, None) = (ours.next()?, ours.next()) else { return None };
    Token::parse(value)
}

/// Hands the session to the browser, until it is closed.
pub fn set(token: &Token) -> HeaderValue {
    let text = zeroize::Zeroizing::new(format!("{NAME}={}; {ATTRIBUTES}", token.reveal().as_str()));
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(GONE));
    value.set_sensitive(true);
    value
}

/// What the browser carries of sign-ins before (see [`crate::owner::familiar`]); empty if nothing.
pub fn familiar(headers: &HeaderMap) -> &str {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(name, _)| *name == FAMILIAR).map(|(_, value)| value);
    match (ours.next(), ours.next()) {
        (Some(value), None) if value.len() <= MOST_FAMILIAR => value,
        _ => "",
    }
}

/// Leaves with the browser that it is known here, for as long as it will keep that. It outlives signing
/// out: it opens nothing.
pub fn set_familiar(value: &str) -> HeaderValue {
    let text = format!("{FAMILIAR}={value}; {FAMILIAR_ATTRIBUTES}; Max-Age={}", LASTS.as_secs());
    let mut value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(FORGOTTEN));
    value.set_sensitive(true);
    value
}

/// Takes the session from the browser.
pub fn clear() -> HeaderValue {
    HeaderValue::from_static(GONE)
}

const NAME: &str = "__Host-veilpost";
const FAMILIAR: &str = "__Host-veilpost-known";
/// Our own pages alone send it: the form of the sign-in is one.
const FAMILIAR_ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
const FORGOTTEN: &str = "__Host-veilpost-known=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";
/// Four tokens have 483 octets.
const MOST_FAMILIAR: usize = 1000;
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
const GONE: &str = "__Host-veilpost=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_is_known_by_is_kept_apart_from_the_session() {
        let ours = format!("{FAMILIAR}=abc.def");
        let both = format!("{ours}; {NAME}=xyz");
        assert_eq!(familiar(&cookies(&[&both])), "abc.def");
        for refused in [vec![], vec![ours.as_str(), ours.as_str()], vec!["__Host-veilpost=abc"]] {
            assert_eq!(familiar(&cookies(&refused)), "", "{refused:?}");
        }
        let set = set_familiar("abc");
        let set = set.to_str().expect("ASCII");
        for attribute in ["Secure", "HttpOnly", "Path=/", "SameSite=Strict", "Max-Age=34560000"] {
            assert!(set.split("; ").any(|part| part == attribute), "{set}");
        }
    }

    fn cookies(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (header::COOKIE, HeaderValue::from_str(value).expect("a value"))).collect()
    }

    #[test]
    fn one_cookie_of_ours_is_read_and_two_are_a_trick() {
        let token = data_encoding::BASE64URL_NOPAD.encode(&[7; 48]);
        let ours = format!("{NAME}={token}");
        assert!(read(&cookies(&[&format!("a=b; {ours}; c=d")])).is_some());
        for refused in
            [vec![], vec!["veilpost=x"], vec![ours.as_str(), ours.as_str()], vec!["__Host-veilpost=short"]]
        {
            assert!(read(&cookies(&refused)).is_none(), "{refused:?}");
        }
    }
}
