//! Which pages may open a WebSocket: browsers do not ask the server before they do, they only say
//! where the page is from.

use axum::http::{
    HeaderMap, HeaderValue,
    header::{HOST, ORIGIN},
};

/// Whether the page that asks is of the server's own origin or of an allowed one. Clients other
/// than browsers name no origin.
///
/// The scheme is not compared: behind a proxy that speaks TLS the server does not know its own.
pub(super) fn is_allowed(headers: &HeaderMap, allowed: &[String]) -> bool {
    let host = headers.get(HOST).and_then(text);
    let mut origins = headers.get_all(ORIGIN).iter();
    origins.all(|origin| text(origin).is_some_and(|origin| is_one_of(origin, host, allowed)))
}

fn is_one_of(origin: &str, host: Option<&str>, allowed: &[String]) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let is_own = authority
        .zip(host)
        .is_some_and(|(authority, host)| authority.eq_ignore_ascii_case(host));
    is_own || allowed.iter().any(|one| one.eq_ignore_ascii_case(origin))
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_the_servers_own_or_an_allowed_one() {
        let allowed = ["https://app.example.com".to_owned()];
        for (host, origin, is_taken) in [
            ("api.example.com", "https://api.example.com", true),
            ("api.example.com", "https://API.example.com", true),
            ("localhost:8080", "http://localhost:8080", true),
            ("localhost:8080", "http://localhost:8081", false),
            ("localhost:8080", "http://localhost", false),
            ("api.example.com", "https://app.example.com", true),
            ("api.example.com", "http://app.example.com", false),
            (
                "api.example.com",
                "https://app.example.com.evil.test",
                false,
            ),
            (
                "api.example.com",
                "https://evil.test/api.example.com",
                false,
            ),
            ("api.example.com", "https://a@api.example.com", false),
            ("api.example.com", "null", false),
            ("api.example.com", "", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            headers.insert(ORIGIN, origin.parse().unwrap());
            assert_eq!(is_allowed(&headers, &allowed), is_taken, "{host} {origin}");
        }
    }

    #[test]
    fn without_an_origin_anyone_is_taken_and_without_a_host_no_origin_is_the_own_one() {
        assert!(is_allowed(&HeaderMap::new(), &[]));
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, "http://localhost".parse().unwrap());
        assert!(!is_allowed(&headers, &[]));
    }

    #[test]
    fn every_origin_that_is_named_must_be_allowed() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, "a.test".parse().unwrap());
        headers.append(ORIGIN, "http://a.test".parse().unwrap());
        assert!(is_allowed(&headers, &[]));
        headers.append(ORIGIN, "http://evil.test".parse().unwrap());
        assert!(!is_allowed(&headers, &[]));
    }
}
