//! Every table of the runtime, for SQLite and PostgreSQL from one description.
//!
//! Times are 64-bit microseconds since 1970-01-01 UTC and JSON is text: both databases then store,
//! compare and return the same values. There are no foreign keys: the only writer of these tables
//! checks references under the same locks, and a foreign key would take a lock more per row.

use sea_orm::DbBackend;

enum Kind {
    Uuid,
    NullUuid,
    Text,
    NullText,
    Integer,
    NullInteger,
    Boolean,
    Serial,
}
use Kind::{Boolean, Integer, NullInteger, NullText, NullUuid, Serial, Text, Uuid};

struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
    key: &'static [&'static str],
}

const TABLES: &[Table] = &[
    Table {
        name: "execution",
        columns: &[
            ("id", Uuid),
            ("tenant_id", Text),
            ("intent_id", Uuid),
            ("intent_type", Text),
            ("handler_name", Text),
            ("session_id", Uuid),
            ("solution_id", Text),
            ("parameters", Text),
            ("metadata", Text),
            ("idempotency_key", NullText),
            ("intent_created_at", Integer),
            ("parent_id", NullUuid),
            ("child_key", NullText),
            ("rerun_of", NullUuid),
            ("status", Integer),
            ("epoch", Integer),
            ("attempt", Integer),
            ("lost_attempts", Integer),
            ("priority", Integer),
            ("next_seq", Integer),
            ("last_tx", Integer),
            ("run_at", NullInteger),
            ("deadline_at", NullInteger),
            ("cancel_requested_at", NullInteger),
            ("cancel_reason", NullText),
            ("result", NullText),
            ("error", NullText),
            ("created_at", Integer),
            ("started_at", NullInteger),
            ("finished_at", NullInteger),
        ],
        key: &["id"],
    },
    Table {
        name: "idempotency",
        columns: &[
            ("tenant_id", Text),
            ("scope", Integer),
            ("key", Text),
            ("execution_id", Uuid),
            ("request_hash", Text),
            ("expires_at", Integer),
        ],
        key: &["tenant_id", "scope", "key"],
    },
    Table {
        name: "ready",
        columns: &[
            ("execution_id", Uuid),
            ("tenant_id", Text),
            ("queue", Text),
            ("priority", Integer),
            ("ready_at", Integer),
        ],
        key: &["execution_id"],
    },
    Table {
        name: "timer",
        columns: &[
            ("execution_id", Uuid),
            ("kind", Integer),
            ("tenant_id", Text),
            ("queue", Text),
            ("fire_at", Integer),
        ],
        key: &["execution_id", "kind"],
    },
    Table {
        name: "lease",
        columns: &[
            ("execution_id", Uuid),
            ("epoch", Integer),
            ("node_id", Uuid),
        ],
        key: &["execution_id"],
    },
    Table {
        name: "node",
        columns: &[
            ("id", Uuid),
            ("name", Text),
            ("version", Text),
            ("capacity", Integer),
            ("running", Integer),
            ("started_at", Integer),
            ("expires_at", Integer),
        ],
        key: &["id"],
    },
    Table {
        name: "step",
        columns: &[
            ("execution_id", Uuid),
            ("name", Text),
            ("epoch", Integer),
            ("attempt", Integer),
            ("result", Text),
            ("started_at", Integer),
            ("finished_at", Integer),
        ],
        key: &["execution_id", "name"],
    },
    Table {
        name: "event",
        columns: &[
            ("stream_id", Uuid),
            ("seq", Integer),
            ("stream_kind", Integer),
            ("tenant_id", Text),
            ("session_id", Uuid),
            ("intent_type", NullText),
            ("event_type", Text),
            ("data", Text),
            ("payload", NullText),
            ("tx", Integer),
            ("ord", Integer),
            ("occurred_at", Integer),
        ],
        key: &["stream_id", "seq"],
    },
    Table {
        name: "session",
        columns: &[
            ("id", Uuid),
            ("tenant_id", Text),
            ("user_id", NullText),
            ("solution_id", NullText),
            ("is_anonymous", Boolean),
            ("status", Integer),
            ("metadata", Text),
            ("state", Text),
            ("state_version", Integer),
            ("next_seq", Integer),
            ("created_at", Integer),
            ("updated_at", Integer),
            ("expires_at", Integer),
        ],
        key: &["id"],
    },
    Table {
        name: "execution_state",
        columns: &[
            ("execution_id", Uuid),
            ("tenant_id", Text),
            ("state", Text),
            ("version", Integer),
            ("updated_at", Integer),
        ],
        key: &["execution_id"],
    },
    Table {
        name: "artifact",
        columns: &[
            ("key", Serial),
            ("id", Uuid),
            ("tenant_id", Text),
            ("artifact_type", Text),
            ("session_id", Uuid),
            ("execution_id", Uuid),
            ("intent_id", Uuid),
            ("intent_type", Text),
            ("state", Integer),
            ("semantic_descriptor", Text),
            ("display_name", NullText),
            ("owner", NullText),
            ("purpose", NullText),
            ("generation", Integer),
            ("roots", Text),
            ("content_hash", Text),
            ("version", Integer),
            ("next_seq", Integer),
            ("created_at", Integer),
            ("updated_at", Integer),
        ],
        key: &[],
    },
    Table {
        name: "artifact_edge",
        columns: &[("child", Integer), ("parent", Integer)],
        key: &["child", "parent"],
    },
    Table {
        name: "artifact_transition",
        columns: &[
            ("artifact_id", Uuid),
            ("version", Integer),
            ("from_state", NullInteger),
            ("to_state", Integer),
            ("at", Integer),
            ("actor", Text),
            ("reason", NullText),
        ],
        key: &["artifact_id", "version"],
    },
    Table {
        name: "materialization",
        columns: &[
            ("id", Uuid),
            ("artifact_id", Uuid),
            ("storage_type", Text),
            ("uri", Text),
            ("format", Text),
            ("compression", NullText),
            ("size_bytes", Integer),
            ("digest", Text),
            ("created_at", Integer),
        ],
        key: &["id"],
    },
    Table {
        name: "upload",
        columns: &[
            ("id", Uuid),
            ("tenant_id", Text),
            ("filename", Text),
            ("mime_type", NullText),
            ("declared_size_bytes", Integer),
            ("digest", NullText),
            ("created_at", Integer),
            ("expires_at", Integer),
            ("completed_at", NullInteger),
        ],
        key: &["id"],
    },
];

/// Table, columns, and `UNIQUE` or the condition of a partial index.
const INDEXES: &[(&str, &str, &str)] = &[
    ("execution", "tenant_id, id", ""),
    ("execution", "session_id, id", ""),
    ("execution", "parent_id, id", "parent_id IS NOT NULL"),
    // Not by the status, which every start changes: an update that changes no indexed column is cheaper.
    ("execution", "id", "finished_at IS NULL"),
    (
        "ready",
        "queue, tenant_id, priority, ready_at, execution_id",
        "",
    ),
    ("timer", "fire_at", ""),
    ("event", "tenant_id, tx, ord", ""),
    ("event", "session_id, tx, ord", ""),
    ("session", "tenant_id, id", ""),
    ("session", "expires_at", "status IN (0, 1)"),
    ("artifact", "id", "UNIQUE"),
    ("artifact", "tenant_id, key", ""),
    ("artifact", "execution_id", ""),
    ("artifact", "session_id, key", ""),
    ("artifact_edge", "parent, child", ""),
    ("materialization", "artifact_id", ""),
    ("idempotency", "expires_at", ""),
];

fn column_type(kind: &Kind, backend: DbBackend) -> &'static str {
    match (kind, backend) {
        (Uuid, DbBackend::Postgres) => "uuid NOT NULL",
        (NullUuid, DbBackend::Postgres) => "uuid",
        (Uuid, _) => "uuid_blob NOT NULL",
        (NullUuid, _) => "uuid_blob",
        (Text, _) => "text NOT NULL",
        (NullText, _) => "text",
        (Integer, _) => "bigint NOT NULL",
        (NullInteger, _) => "bigint",
        (Boolean, _) => "boolean NOT NULL",
        (Serial, DbBackend::Postgres) => "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
        (Serial, _) => "integer PRIMARY KEY AUTOINCREMENT NOT NULL",
    }
}

fn create_table(table: &Table, backend: DbBackend) -> String {
    let mut parts: Vec<String> = table
        .columns
        .iter()
        .map(|(name, kind)| format!("\"{name}\" {}", column_type(kind, backend)))
        .collect();
    if !table.key.is_empty() {
        parts.push(format!(
            "PRIMARY KEY ({})",
            quoted(table.key.iter().copied())
        ));
    }
    // SQLite then keeps the rows in their key and needs no second tree for it. The log alone is read
    // in the order of its insertion.
    let is_clustered = backend != DbBackend::Postgres && CLUSTERED.contains(&table.name);
    let rule = match backend {
        // Room in the page for the row of an execution that has been started.
        DbBackend::Postgres if table.name == "execution" => " WITH (fillfactor = 80)",
        _ if is_clustered => " WITHOUT ROWID",
        _ => "",
    };
    format!(
        "CREATE TABLE \"{}\" ({}){rule}",
        table.name,
        parts.join(", ")
    )
}

/// Tables of small rows, by their keys.
const CLUSTERED: &[&str] = &[
    "idempotency",
    "ready",
    "timer",
    "lease",
    "step",
    "artifact_edge",
    "artifact_transition",
];

fn create_index(position: usize, (table, columns, rule): &(&str, &str, &str)) -> String {
    let unique = if *rule == "UNIQUE" { "UNIQUE " } else { "" };
    let condition = match *rule {
        "" | "UNIQUE" => String::new(),
        condition => format!(" WHERE {condition}"),
    };
    let columns = quoted(columns.split(", "));
    format!("CREATE {unique}INDEX \"{table}_idx_{position}\" ON \"{table}\" ({columns}){condition}")
}

fn quoted<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| format!("\"{name}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let tables = TABLES.iter().map(|table| create_table(table, backend));
    let indexes = INDEXES.iter().enumerate();
    tables
        .chain(indexes.map(|(position, index)| create_index(position, index)))
        .collect()
}
