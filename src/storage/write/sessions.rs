//! Sessions that operations look at, and change if they have not ended.

use super::{super::Error, rows::Standing, working::Working};
use crate::model::{Refusal, Session, SessionKey, SessionStatus};

/// The session, if there is one and it has not ended.
pub(super) fn active_session<'a>(
    working: &'a Working,
    key: &SessionKey,
) -> Result<&'a Session, Error> {
    let found = working.sessions.see(key).ok_or_else(absent)?;
    Standing::of(&found.session).check(working.now)?;
    Ok(&found.session)
}

/// The same to be changed, once nothing is refused any more: it counts as changed from now on.
pub(super) fn change_session<'a>(
    working: &'a mut Working,
    key: &SessionKey,
) -> Result<&'a mut Session, Error> {
    active_session(working, key)?;
    let now = working.now;
    let session = &mut working.sessions.change(key).ok_or_else(absent)?.session;
    session.updated_at = now;
    Ok(session)
}

/// Refuses a session that is not anonymous, that has ended, or whose secret is another one, as one that is not there.
pub(super) fn check_secret(
    working: &Working,
    key: &SessionKey,
    digest: &str,
) -> Result<(), Refusal> {
    let found = working.sessions.see(key).filter(|row| {
        let session = &row.session;
        let own = row.secret_digest.as_deref();
        session.is_anonymous
            && session.status.when(session.expires_at <= working.now) == SessionStatus::Active
            && own == Some(digest)
    });
    found.map(drop).ok_or_else(absent)
}

fn absent() -> Refusal {
    Refusal::not_found("session", "sessionId")
}
