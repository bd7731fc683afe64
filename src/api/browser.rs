//! What tells the server that a request was made by one of its own pages, and in which session of a browser.

use axum::http::{HeaderMap, header::COOKIE};

/// The cookie of a session. Because of the prefix `__Host-` browsers take it over TLS only, and send it to this host alone.
pub const SESSION_COOKIE: &str = "__Host-takeoff-console";

/// The cookie of a browser that is at an issuer to log in.
pub const LOGIN_COOKIE: &str = "__Host-takeoff-login";

/// Names the text of the session that a request belongs to, where it changes something.
pub const CSRF_HEADER: &str = "x-takeoff-csrf";

/// A mark of requests: a page of this server's own made it, as its origin says.
#[derive(Debug, Clone, Copy)]
pub struct OfOwnPage;

/// The value of a session's cookie; none if there is none, or more than one.
#[must_use]
pub fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, SESSION_COOKIE)
}

/// The value of a cookie; none if there is none, or more than one.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, named: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).iter();
    let pairs = texts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'));
    let mut values = pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .filter_map(|(name, value)| (name == named).then_some(value));
    let first = values.next()?;
    // With two of them, one may be somebody else's.
    values.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(cookies: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for cookie in cookies {
            headers.append(COOKIE, cookie.parse().unwrap());
        }
        session_cookie(&headers).map(str::to_owned)
    }

    #[test]
    fn the_cookie_is_found_among_others_by_its_whole_name_and_once() {
        let one = "__Host-takeoff-console=k1.abc";
        assert_eq!(found(&[one]).as_deref(), Some("k1.abc"));
        let among = format!("a=b; {one}; c=d=e");
        assert_eq!(found(&["x=y", &among]).as_deref(), Some("k1.abc"));
        for none in [
            "",
            "takeoff-console=k1.abc",
            "__host-takeoff-console=k1.abc",
            "__Host-takeoff-console",
        ] {
            assert_eq!(found(&[none]), None, "{none}");
        }
        assert_eq!(found(&[one, one]), None, "two of them");
    }
}
