//! Logging in at an issuer: the browser is sent there, comes back with a code, and gets the cookie of a session.

use axum::{
    Extension, Json, Router,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        rejection::{JsonRejection, QueryRejection},
    },
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{LOCATION, ORIGIN, SET_COOKIE},
    },
    response::{AppendHeaders, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;

use super::session::{self, address, foreign, refused};
use crate::{
    api::{ApiError, Client, ErrorCode, LOGIN_COOKIE, OfOwnPage, cookie, escaped},
    auth::{Authenticator, LoginError, Returned},
};

/// Where issuers send browsers back to, below the folder of the console; each has its own place below it.
const PLACE: &str = "login/";
/// The last part of the path of the console's folder.
const FOLDER: &str = "/console/";
const MAX_PATH_BYTES: usize = 1_000;
/// Longer codes are none.
const MAX_CODE_BYTES: usize = 4_096;
/// The seconds for which a browser keeps the cookie.
const KEPT_SECONDS: u32 = 600;

/// The routes of the login.
pub(super) fn routes(authenticator: &Authenticator) -> Router {
    Router::new()
        .route("/console/login", post(begin))
        .route("/console/login/{place}", get(finish))
        .layer(DefaultBodyLimit::max(session::MAX_BODY_BYTES))
        .with_state(authenticator.clone())
}

/// The issuers as the page is told of them, as the value of an attribute. Nothing of it is secret.
pub(super) fn listed(logins: &[(String, String)]) -> String {
    let all = logins
        .iter()
        .map(|(issuer, name)| json!({"issuer": issuer, "name": name}));
    let all: serde_json::Value = all.collect();
    escaped(&all.to_string())
}

/// What a page asks for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    issuer: String,
    /// The path of the console's folder, as the browser sees it.
    folder: String,
    /// The address of the page below that folder, to which the browser comes back.
    page: String,
}

/// Tells the page where the browser logs in.
async fn begin(
    State(authenticator): State<Authenticator>,
    client: Option<Extension<Client>>,
    own: Option<Extension<OfOwnPage>>,
    headers: HeaderMap,
    wanted: Result<Json<Wanted>, JsonRejection>,
) -> Response {
    let origin = headers.get(ORIGIN).and_then(|value| value.to_str().ok());
    let (Some(_), Some(origin)) = (own, origin) else {
        return foreign();
    };
    let Ok(Json(wanted)) = wanted else {
        let message = "the body must be JSON with issuer, folder and page";
        return refused(&ApiError::bad_input(message));
    };
    if !is_folder(&wanted.folder) {
        let message = format!("folder is a path that ends with {FOLDER}");
        return refused(&ApiError::bad_input(message));
    }
    let folder = format!("{origin}{}{PLACE}", wanted.folder);
    let page = if is_page(&wanted.page) {
        wanted.page
    } else {
        String::new()
    };
    let begun = authenticator.begin_login(&wanted.issuer, &folder, page, address(client));
    match begun.await {
        Ok(begun) => {
            let kept = login_cookie(&begun.cookie, KEPT_SECONDS);
            let body = Json(json!({"address": begun.address}));
            ([(SET_COOKIE, kept)], body).into_response()
        }
        Err(error) => refused(&told(error)),
    }
}

/// What comes back from the issuer.
#[derive(Deserialize)]
struct Brought {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    iss: Option<String>,
    error: Option<String>,
}

/// Begins the session, and leads to the page. It is the issuer's page that sends the browser here.
async fn finish(
    State(authenticator): State<Authenticator>,
    client: Option<Extension<Client>>,
    Path(place): Path<String>,
    headers: HeaderMap,
    brought: Result<Query<Brought>, QueryRejection>,
) -> Response {
    let kept = cookie(&headers, LOGIN_COOKIE);
    let (Ok(Query(brought)), Some(kept)) = (brought, kept) else {
        return back("", "old", [].into());
    };
    if brought.code.len() > MAX_CODE_BYTES {
        return back("", "failed", [].into());
    }
    let error = brought
        .error
        .map(|error| error.chars().take(100).collect::<String>());
    let returned = Returned {
        cookie: kept,
        place: &place,
        state: &brought.state,
        issuer: brought.iss.as_deref(),
        code: match &error {
            None => Ok(&brought.code),
            Some(error) => Err(error),
        },
    };
    match authenticator.finish_login(&returned, address(client)).await {
        Ok(finished) => {
            let life = authenticator.browser_sessions().life_seconds();
            let cookie = session::cookie(&finished.text, life);
            back(&finished.page, "", [cookie, login_cookie("", 0)].into())
        }
        Err((error, was_begun)) => {
            tracing::info!(%error, "nobody was logged in");
            // What another page leads here does not end a login that is under way.
            let over = was_begun.then(|| login_cookie("", 0));
            back("", why(&error), over.into_iter().collect())
        }
    }
}

/// What the page is told of it.
fn why(error: &LoginError) -> &'static str {
    match error {
        LoginError::NotBegun | LoginError::NoIssuer | LoginError::TooLong => "old",
        LoginError::Denied(_) => "denied",
        LoginError::Token(_) => "refused",
        LoginError::TokenTooLong => "long",
        LoginError::Fault(_) => "failed",
        LoginError::Unproven(_) => "busy",
    }
}

/// Leads to a page of the console, which is told why nobody was logged in, if so.
fn back(page: &str, why: &str, cookies: Vec<String>) -> Response {
    let fault = if why.is_empty() { "" } else { "#login=" };
    let place = format!("../{page}{fault}{why}");
    let place = HeaderValue::from_str(&place).unwrap_or(HeaderValue::from_static("../"));
    let cookies = cookies.into_iter().map(|cookie| (SET_COOKIE, cookie));
    let cookies = AppendHeaders(cookies.collect::<Vec<_>>());
    (StatusCode::SEE_OTHER, cookies, [(LOCATION, place)]).into_response()
}

fn told(error: LoginError) -> ApiError {
    tracing::info!(%error, "a login was not begun");
    match error {
        LoginError::Unproven(unproven) => unproven.into(),
        LoginError::Fault(_) => ApiError::new(
            ErrorCode::Unavailable,
            "the issuer does not answer; try again",
        ),
        other => ApiError::bad_input(other.to_string()),
    }
}

/// It must come along when another site, the issuer's, leads back to this one.
fn login_cookie(text: &str, seconds: u32) -> String {
    format!("{LOGIN_COOKIE}={text}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Lax")
}

fn is_folder(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//") && path.ends_with(FOLDER) && is_path(path)
}

/// Returns whether it is the address of a page below the folder.
fn is_page(address: &str) -> bool {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    !path.starts_with('/') && is_path(path) && is_plain(query) && address.len() <= MAX_PATH_BYTES
}

/// A path that leads nowhere above.
fn is_path(path: &str) -> bool {
    let is_dots = |part: &str| {
        let part = part.to_ascii_lowercase().replace("%2e", ".");
        part == "." || part == ".."
    };
    let is_bounded = path.len() <= MAX_PATH_BYTES && !path.contains('?');
    is_bounded && is_plain(path) && !path.split('/').any(is_dots)
}

/// Characters that an address has as they are.
fn is_plain(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_back_to_a_page_of_the_console_alone() {
        for good in ["/console/", "/a/b/console/", "/a..b/console/"] {
            assert!(is_folder(good), "{good}");
        }
        for bad in [
            "",
            "console/",
            "//evil.example/console/",
            "/console",
            "/x/",
            "/a b/console/",
            "/x?y=/console/",
            "/a/../console/",
        ] {
            assert!(!is_folder(bad), "{bad}");
        }
        for good in [
            "",
            "executions?status=FAILED",
            "executions/exe_1?tab=a%2Fb&q=../x",
        ] {
            assert!(is_page(good), "{good}");
        }
        for bad in [
            "/x",
            "//evil.example",
            "a\\b",
            "a b",
            "a#b",
            "a\nb",
            "../graphiql",
            "a/%2E%2e/b",
            ".",
        ] {
            assert!(!is_page(bad), "{bad}");
        }
    }
}
