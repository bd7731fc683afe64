//! The schema of Takeoff's database, for SQLite and PostgreSQL.
//!
//! A migration is a list of statements. Migrations are applied in the order listed here, each in a
//! transaction of its own, and never changed once released. Those that were applied are recorded in
//! `seaql_migrations`, the table of sea-orm-migration, by which earlier versions applied them.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement, TransactionTrait};

mod m20261123_000001_core;
mod m20261128_000003_content;
mod m20261128_000004_trees;
mod m20261128_000005_installation;
mod m20261128_000006_era;
mod m20261128_000007_cancellation;
mod m20261128_000007_counts;
mod m20261128_000009_roots;
mod m20261128_000010_sessions_of_tenants;
mod m20261128_000011_actors;
mod m20261128_000012_lists;
mod m20261128_000013_api_keys;
mod m20261129_000014_copy_secret;
mod m20261129_000015_owners;

/// One step of the schema: its name in `seaql_migrations`, and the statements it consists of.
type Migration = (&'static str, fn(DbBackend) -> Vec<String>);

/// A module of this crate as a migration; its name is the module's.
macro_rules! migration {
    ($module:ident) => {
        (stringify!($module), $module::statements)
    };
}

/// All migrations, oldest first.
const MIGRATIONS: &[Migration] = &[
    migration!(m20261123_000001_core),
    migration!(m20261128_000003_content),
    migration!(m20261128_000004_trees),
    migration!(m20261128_000005_installation),
    migration!(m20261128_000006_era),
    migration!(m20261128_000007_counts),
    migration!(m20261128_000007_cancellation),
    migration!(m20261128_000009_roots),
    migration!(m20261128_000010_sessions_of_tenants),
    migration!(m20261128_000011_actors),
    migration!(m20261128_000012_lists),
    migration!(m20261128_000013_api_keys),
    migration!(m20261129_000014_copy_secret),
    migration!(m20261129_000015_owners),
];

/// Applies what the database lacks and returns the names of the migrations that were applied.
///
/// Two callers at a time are kept apart by a lock of the caller's.
///
/// # Errors
/// When the database refuses a statement, or has a migration of a later version: then nothing is changed.
pub async fn migrate(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let backend = db.get_database_backend();
    db.execute_unprepared(
        "CREATE TABLE IF NOT EXISTS seaql_migrations \
         (version varchar NOT NULL PRIMARY KEY, applied_at bigint NOT NULL)",
    )
    .await?;
    let recorded = recorded(db).await?;
    refuse_unknown(&recorded)?;
    let mut applied = Vec::new();
    for (name, statements) in MIGRATIONS {
        if recorded.iter().any(|version| version == name) {
            continue;
        }
        tracing::info!(migration = name, "changing the schema");
        let transaction = db.begin().await?;
        for statement in statements(backend) {
            transaction.execute_unprepared(&statement).await?;
        }
        transaction
            .execute_unprepared(&record(name, backend))
            .await?;
        transaction.commit().await?;
        applied.push((*name).to_owned());
    }
    Ok(applied)
}

async fn recorded(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let select = "SELECT version FROM seaql_migrations ORDER BY version";
    db.query_all_raw(Statement::from_string(db.get_database_backend(), select))
        .await?
        .iter()
        .map(|row| row.try_get("", "version"))
        .collect()
}

/// A schema of a later version may lack what this one writes.
fn refuse_unknown(recorded: &[String]) -> Result<(), DbErr> {
    let unknown: Vec<_> = recorded
        .iter()
        .filter(|version| MIGRATIONS.iter().all(|(name, _)| name != version))
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(DbErr::Migration(format!(
        "the database was migrated by a later version, which has: {}",
        unknown.join(", ")
    )))
}

fn record(name: &str, backend: DbBackend) -> String {
    let now = match backend {
        DbBackend::Postgres => "extract(epoch FROM now())::bigint",
        _ => "unixepoch()",
    };
    format!("INSERT INTO seaql_migrations (version, applied_at) VALUES ('{name}', {now})")
}
