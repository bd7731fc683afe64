//! Sessions that operations look at, and change if they have not ended.

use super::{super::Error, rows::Standing, working::Working};
use crate::model::{Refusal, Session, SessionKey};

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

fn absent() -> Refusal {
    Refusal::not_found("session", "sessionId")
}
