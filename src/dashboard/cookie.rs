//! The session cookie (RFC 6265bis): `__Host-` binds it to this host and to HTTPS; it is kept from
//! scripts, and from requests that other sites have the browser send, but for a link that is followed.

use axum::http::{HeaderMap, HeaderValue, header};

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

/// Takes the session from the browser.
pub fn clear() -> HeaderValue {
    HeaderValue::from_static(GONE)
}

const NAME: &str = "__Host-veilpost";
const ATTRIBUTES: &str = "Path=/; Secure; HttpOnly; SameSite=Lax";
const GONE: &str = "__Host-veilpost=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0";

#[cfg(test)]
mod tests {
    use super::*;

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
