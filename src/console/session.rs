//! The session of a browser that opens the console where proofs are needed: begun by a key or a token, which is exchanged
//! for a cookie, and ended.

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, SET_COOKIE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    api::{ApiError, Client, ErrorCode, OfOwnPage, SESSION_COOKIE, seconds},
    auth::{Authenticator, BrowserSession, LoginError, LoginFault, MAX_PROOF_BYTES},
    clock::Clock,
    model::Micros,
};

pub(super) const MAX_BODY_BYTES: usize = 16 * 1024;

/// The routes of the session. The page below `/console/` that is asked for at the same place is none of the console's.
pub(super) fn routes(authenticator: &Authenticator) -> Router {
    Router::new()
        .route("/console/session", get(show).post(begin).delete(end))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(authenticator.clone())
}

/// A key or a token. It is in nothing that is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    proof: String,
}

/// The session as the page knows it; it cannot read the cookie.
#[derive(Serialize)]
struct Shown {
    /// What requests have to name that change something; none where there is no session.
    csrf: Option<String>,
    /// The milliseconds after which the page asks again, so that the session goes on; none where it ends with its proof.
    #[serde(rename = "renewInMs")]
    renew_in_ms: Option<i64>,
}

/// The page does not ask again sooner.
const MIN_RENEW_MS: i64 = 5_000;

impl Shown {
    fn of(session: Option<&BrowserSession>, clock: &Clock) -> Json<Self> {
        let left = |at: Micros| ((at - clock.now()) / 1_000).max(MIN_RENEW_MS);
        Json(Self {
            csrf: session.map(|session| session.csrf().to_owned()),
            renew_in_ms: session.and_then(BrowserSession::renew_at).map(left),
        })
    }

    /// Of a session that nothing renews.
    fn to_its_end(session: &BrowserSession) -> Json<Self> {
        Json(Self {
            csrf: Some(session.csrf().to_owned()),
            renew_in_ms: None,
        })
    }
}

/// Tells of the session, with a fresh proof where it is time for one.
async fn show(
    State(authenticator): State<Authenticator>,
    client: Option<Extension<Client>>,
    session: Option<Extension<BrowserSession>>,
) -> Response {
    let clock = authenticator.clock();
    let Some(Extension(session)) = session else {
        return Shown::of(None, clock).into_response();
    };
    let mut fault = None;
    if session.renew_at().is_some_and(|at| at <= clock.now()) {
        match authenticator.renew(&session).await {
            Ok((text, renewed)) => {
                let cookie = cookie(&text, seconds_left(&renewed, clock));
                let shown = Shown::of(Some(&renewed), clock);
                return ([(SET_COOKIE, cookie)], shown).into_response();
            }
            // The proof may be good for a while.
            Err(error) => fault = Some(error),
        }
    }
    let found = authenticator.in_session(&session, address(client)).await;
    match (found.map_err(ApiError::from), fault) {
        (Ok(_), Some(error @ LoginError::Fault(LoginFault::Refused(_)))) => {
            tracing::info!(%error, "the session of a browser is not renewed");
            Shown::to_its_end(&session).into_response()
        }
        (Ok(_), _) => Shown::of(Some(&session), clock).into_response(),
        // The session may go on when the issuer is there again.
        (Err(error), Some(LoginError::Fault(LoginFault::Unavailable(_))))
            if error.code() == ErrorCode::Unauthenticated =>
        {
            let message = "the issuer of the session does not answer";
            refused(&ApiError::new(ErrorCode::Unavailable, message))
        }
        (Err(error), _) if error.code() == ErrorCode::Unauthenticated => {
            Shown::of(None, clock).into_response()
        }
        (Err(error), _) => refused(&error),
    }
}

fn seconds_left(session: &BrowserSession, clock: &Clock) -> i64 {
    ((session.expires_at() - clock.now()) / 1_000_000).max(0)
}

/// Exchanges a proof for a cookie.
async fn begin(
    State(authenticator): State<Authenticator>,
    client: Option<Extension<Client>>,
    own: Option<Extension<OfOwnPage>>,
    given: Result<Json<Proof>, axum::extract::rejection::JsonRejection>,
) -> Response {
    // Another page would log its visitors in as somebody else.
    if own.is_none() {
        return foreign();
    }
    let Ok(Json(Proof { proof })) = given else {
        return refused(&ApiError::bad_input("the body must be JSON with a proof"));
    };
    let found = authenticator.bearer(&proof, address(client)).await;
    if let Err(error) = found.map_err(ApiError::from) {
        return refused(&error);
    }
    let sessions = authenticator.browser_sessions();
    let Ok((text, session)) = sessions.begin(&proof) else {
        let message =
            format!("a token of more than {MAX_PROOF_BYTES} bytes does not fit into a cookie");
        return refused(&ApiError::bad_input(message));
    };
    let cookie = cookie(&text, sessions.life_seconds());
    let shown = Shown::of(Some(&session), authenticator.clock());
    ([(SET_COOKIE, cookie)], shown).into_response()
}

/// Ends the session, and takes the cookie away also where there is none any more.
async fn end(
    State(authenticator): State<Authenticator>,
    client: Option<Extension<Client>>,
    own: Option<Extension<OfOwnPage>>,
    session: Option<Extension<BrowserSession>>,
) -> Response {
    if own.is_none() {
        return foreign();
    }
    if let Some(Extension(session)) = session
        && let Err(error) = authenticator.log_out(&session, address(client)).await
    {
        return refused(&error.into());
    }
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie("", 0))]).into_response()
}

pub(super) fn cookie(text: &str, seconds: i64) -> String {
    format!("{SESSION_COOKIE}={text}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

pub(super) fn address(client: Option<Extension<Client>>) -> std::net::IpAddr {
    client
        .map_or(Client::unknown(), |Extension(client)| client)
        .address
}

pub(super) fn foreign() -> Response {
    let message = "only pages of the server's own begin and end a session";
    refused(&ApiError::new(ErrorCode::Forbidden, message))
}

pub(super) fn refused(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.code().http_status());
    let status = status.unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({"error": error.message(), "error_code": error.code().name()});
    let mut answer = (status, Json(body)).into_response();
    if let Some(wait) = error.retry_after() {
        let wait: HeaderValue = seconds(wait);
        answer.headers_mut().insert(RETRY_AFTER, wait);
    }
    answer
}
