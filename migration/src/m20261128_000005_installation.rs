//! A random id that tells this database from others.

use sea_orm::DbBackend;

/// A random id, made once: nodes that share the database name what they share by it.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let (uuid, random) = match backend {
        DbBackend::Postgres => ("uuid", "gen_random_uuid()"),
        _ => ("uuid_blob", "randomblob(16)"),
    };
    vec![
        format!("CREATE TABLE \"installation\" (\"id\" {uuid} NOT NULL, PRIMARY KEY (\"id\"))"),
        format!("INSERT INTO \"installation\" (\"id\") VALUES ({random})"),
    ]
}
