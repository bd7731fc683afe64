//! Sessions.

use super::{
    super::{
        super::sql,
        rows::{SessionRow, Tracked},
        working::Working,
    },
    update_tail,
};
use sql::{Cell, Combined, Rows};

const SESSION_COLUMNS: &[&str] = &[
    "id",
    "tenant_id",
    "stream_id",
    "user_id",
    "solution_id",
    "is_anonymous",
    "status",
    "metadata",
    "state",
    "state_version",
    "next_seq",
    "created_at",
    "updated_at",
    "expires_at",
];

fn session_cells(row: &SessionRow) -> Vec<Cell> {
    let session = &row.session;
    vec![
        session.id.0.into(),
        session.tenant_id.as_str().into(),
        row.stream_id.into(),
        session.user_id.clone().into(),
        session.solution_id.clone().into(),
        session.is_anonymous.into(),
        session.status.code().into(),
        session.metadata.as_str().into(),
        session.state.as_str().into(),
        session.state_version.into(),
        row.next_seq.into(),
        session.created_at.into(),
        session.updated_at.into(),
        session.expires_at.into(),
    ]
}

pub(super) const SESSION_CHANGES: &[&str] = &[
    "id",
    "tenant_id",
    "user_id",
    "is_anonymous",
    "status",
    "metadata",
    "state",
    "state_version",
    "next_seq",
    "updated_at",
];

fn session_change_cells(row: &SessionRow) -> Vec<Cell> {
    let session = &row.session;
    vec![
        session.id.0.into(),
        session.tenant_id.as_str().into(),
        session.user_id.clone().into(),
        session.is_anonymous.into(),
        session.status.code().into(),
        session.metadata.as_str().into(),
        session.state.as_str().into(),
        session.state_version.into(),
        row.next_seq.into(),
        session.updated_at.into(),
    ]
}

pub(super) fn sessions(all: &mut Combined, working: &Working) {
    let (mut made, mut changed) = (Rows::of(SESSION_COLUMNS), Rows::of(SESSION_CHANGES));
    // New keys in one order: another node may be making the same ones.
    let mut sessions: Vec<_> = working.sessions.iter().collect();
    sessions.sort_unstable_by_key(|(key, _)| *key);
    for (_, Tracked { row, is_new, dirty }) in sessions {
        if *is_new {
            made.push(session_cells(row));
        } else if *dirty {
            changed.push(session_change_cells(row));
        }
    }
    all.insert(made, "session");
    all.add(changed, update_tail("session", SESSION_CHANGES, 2));
}
