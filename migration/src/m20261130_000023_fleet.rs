//! What a node says of itself beyond its lease, and what its operator asked of it.

use sea_orm::DbBackend;

/// Labels, the last beat, and draining. The defaults are those of nodes of the version before, whose statements leave
/// the columns out.
pub(crate) fn statements(_: DbBackend) -> Vec<String> {
    let columns = [
        "labels text NOT NULL DEFAULT '{}'",
        "beat_at bigint",
        "draining boolean NOT NULL DEFAULT false",
        "drain_requested_at bigint",
        "hand_over_at bigint",
    ];
    let add = columns.map(|column| format!("ALTER TABLE node ADD COLUMN {column}"));
    add.to_vec()
}
