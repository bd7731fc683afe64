//! Ids of sessions that are unique within their tenant.

use sea_orm::DbBackend;

/// All locks at once, in the order in which a submit takes them: one that is waited for later could be held
/// by a writer of a running node that waits for this one.
const LOCK: &str = "LOCK TABLE session, execution, artifact, event IN ACCESS EXCLUSIVE MODE";

const KEYED_BY_TENANT: [&str; 4] = [
    LOCK,
    "ALTER TABLE session ADD COLUMN stream_id uuid",
    "ALTER TABLE session DROP CONSTRAINT session_pkey",
    "ALTER TABLE session ADD PRIMARY KEY (id, tenant_id)",
];

/// SQLite cannot change a key: the rows go into a new table.
fn rebuilt() -> [String; 6] {
    let names = "id, tenant_id, user_id, solution_id, is_anonymous, status, metadata, state, \
         state_version, next_seq, created_at, updated_at, expires_at";
    [
        "CREATE TABLE session_rebuilt (id uuid_blob NOT NULL, tenant_id text NOT NULL, \
         user_id text, solution_id text, is_anonymous boolean NOT NULL, status bigint NOT NULL, \
         metadata text NOT NULL, state text NOT NULL, state_version bigint NOT NULL, \
         next_seq bigint NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL, \
         expires_at bigint NOT NULL, stream_id uuid_blob, PRIMARY KEY (id, tenant_id))"
            .to_owned(),
        format!("INSERT INTO session_rebuilt ({names}) SELECT {names} FROM session"),
        "DROP TABLE session".to_owned(),
        "ALTER TABLE session_rebuilt RENAME TO session".to_owned(),
        "CREATE INDEX session_idx_8 ON session (tenant_id, id)".to_owned(),
        "CREATE INDEX session_idx_9 ON session (expires_at) WHERE status IN (0, 1)".to_owned(),
    ]
}

/// Table, the index of what is in a session before, and the order of its rows. Without the tenant in it, it
/// would lead through the rows of all tenants that have a session of this id. The tenant is an expression,
/// for a condition on the column could be answered by an index of the whole tenant, too, and both databases
/// would choose that one now and then.
const INDEXES: [(&str, &str, &str); 3] = [
    ("execution", "execution_idx_1", "id"),
    ("event", "event_idx_7", "tx, ord"),
    ("artifact", "artifact_idx_13", "key"),
];

fn indexes() -> impl Iterator<Item = String> {
    INDEXES.into_iter().flat_map(|(table, old, order)| {
        [
            format!("DROP INDEX {old}"),
            format!(
                "CREATE INDEX {table}_idx_session ON {table} (session_id, (tenant_id || ''), {order})"
            ),
        ]
    })
}

/// A session is found by its id and its tenant. Its stream in the log has an id that is unique among all
/// tenants: `stream_id`, or where there is none, as in sessions of before, the session's own.
///
/// The key begins with the id, by which alone a node of an earlier version finds a session meanwhile.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let tables = match backend {
        DbBackend::Postgres => KEYED_BY_TENANT.map(str::to_owned).to_vec(),
        _ => rebuilt().to_vec(),
    };
    tables.into_iter().chain(indexes()).collect()
}
