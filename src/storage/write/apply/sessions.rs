//! Sessions.

use entity::session::Column;

use super::{
    super::{super::sql, working::Working},
    update,
};
use sql::{Combined, Rows};

/// The key, and what changes after the first write.
pub(super) const SESSION_CHANGES: &[Column] = &[
    Column::Id,
    Column::TenantId,
    Column::UserId,
    Column::IsAnonymous,
    Column::Status,
    Column::Metadata,
    Column::State,
    Column::StateVersion,
    Column::NextSeq,
    Column::LastHash,
    Column::SecretDigest,
    Column::UpdatedAt,
    Column::ExpiresAt,
];

pub(super) fn sessions(all: &mut Combined, working: &Working) {
    // New keys in one order: another node may be making the same ones.
    let mut made: Vec<_> = working.sessions.made().collect();
    made.sort_unstable_by_key(|(key, _)| *key);
    let made = made.into_iter().map(|(_, row)| row);
    all.insert(Rows::whole(made), "session");
    let changed = working.sessions.changed().map(|(_, row)| row);
    update(all, Rows::part(SESSION_CHANGES, changed), "session", 2);
}
