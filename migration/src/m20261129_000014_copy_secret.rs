//! A secret that the nodes of a database share without being told it.

use sea_orm::DbBackend;

/// A random secret, made once. It marks the copies of states that nodes keep in Redis; whoever reads it reads the
/// states, too.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let random = match backend {
        DbBackend::Postgres => "gen_random_uuid()::text || gen_random_uuid()::text",
        _ => "lower(hex(randomblob(32)))",
    };
    vec![
        "ALTER TABLE installation ADD COLUMN copy_secret text".to_owned(),
        format!("UPDATE installation SET copy_secret = {random}"),
    ]
}
