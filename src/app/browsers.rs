//! Requests of the server's own pages, which bring a cookie instead of a proof.
//!
//! A cookie is sent whoever makes the request, and to every port of its host. So it counts at the port of the pages alone,
//! for requests of pages of the server's own, which name their origin; and what changes something has to name the session as
//! well, by a text that no other page can read.

use axum::{
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, Method,
        header::{AUTHORIZATION, UPGRADE},
    },
};

use super::guard::Guard;
use crate::{
    api::{CSRF_HEADER, OfOwnPage, Port, session_cookie},
    auth::{Authenticator, BrowserSession, BrowserSessions, Mode},
};

/// What the browser says of the page that made a request.
const FETCH_SITE: &str = "sec-fetch-site";

/// Knows the sessions of browsers at a port.
#[derive(Clone)]
pub(super) struct Browsers(Option<BrowserSessions>);

impl Browsers {
    /// Those at a port. There are none where there are no pages, or where pages need no proof.
    pub(super) fn at(port: Port, authenticator: &Authenticator) -> Self {
        let mode = authenticator.mode();
        let has_sessions = mode == Mode::Required && port.has_pages(mode);
        Self(has_sessions.then(|| authenticator.browser_sessions().clone()))
    }

    /// Marks a request that is served: whether a page of the server's own made it, and the session that it is made in.
    pub(super) fn mark(&self, guard: &Guard, request: &mut Request) {
        let Some(sessions) = &self.0 else {
            return;
        };
        let is_own = guard.is_of_own_page(request);
        if let Some(session) = session_of(request, is_own, sessions) {
            request.extensions_mut().insert(session);
        }
        if is_own == Some(true) {
            request.extensions_mut().insert(OfOwnPage);
        }
    }
}

/// The session of a request. What only reads may leave its origin out, as browsers do, where the browser says that the
/// page is of the same origin.
fn session_of(
    request: &Request,
    is_own: Option<bool>,
    sessions: &BrowserSessions,
) -> Option<BrowserSession> {
    let headers = request.headers();
    // A proof of its own goes before.
    if headers.contains_key(AUTHORIZATION) {
        return None;
    }
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let is_socket = headers.contains_key(UPGRADE);
    let is_allowed = is_own.unwrap_or_else(|| {
        let site = only(headers, FETCH_SITE);
        reads && !is_socket && site.is_some_and(|site| site == "same-origin")
    });
    let session = sessions.open(session_cookie(headers)?)?;
    let is_named = || {
        let text = only(headers, CSRF_HEADER);
        text.is_some_and(|text| session.is_csrf(text.as_bytes()))
    };
    (is_allowed && (reads || is_named())).then_some(session)
}

/// A header that is there once.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(HeaderName::from_static(name)).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}
