//! The schema of Takeoff's database, for SQLite and PostgreSQL.
//!
//! A migration is a list of statements. Migrations are applied in the order listed here, each in a
//! transaction of its own, and never changed once released. Those that were applied are recorded in
//! `seaql_migrations`, the table of sea-orm-migration, by which earlier versions applied them.
//!
//! Nodes of the version before go on beside a migrated database, and may start beside it: a migration adds, and what it
//! makes useless is taken away by one of the next version at the earliest, which is listed in `CONTRACTIONS`.

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
mod m20261129_000016_chain;
mod m20261129_000017_sealed;
mod m20261129_000018_kept_uploads;
mod m20261129_000019_anonymous;
mod m20261130_000020_retention;
mod m20261130_000021_schedules;
mod m20261130_000022_limits;
mod m20261130_000023_fleet;
mod m20261130_000024_counts;
mod m20261201_000025_operations;
mod m20261201_000026_references;
mod m20261201_000027_browser_logouts;
mod m20261201_000028_webhooks;
mod m20261201_000029_under_way;

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
    migration!(m20261129_000016_chain),
    migration!(m20261129_000017_sealed),
    migration!(m20261129_000018_kept_uploads),
    migration!(m20261129_000019_anonymous),
    migration!(m20261130_000020_retention),
    migration!(m20261130_000021_schedules),
    migration!(m20261130_000022_limits),
    migration!(m20261130_000023_fleet),
    migration!(m20261130_000024_counts),
    migration!(m20261201_000025_operations),
    migration!(m20261201_000026_references),
    migration!(m20261201_000027_browser_logouts),
    migration!(m20261201_000028_webhooks),
    migration!(m20261201_000029_under_way),
];

/// Migrations that take away what nodes before them use, each with the newest migration that a node must know to run
/// after it. All others only add: the statements of nodes that do not know them have the same effect as before.
const CONTRACTIONS: &[(&str, &str)] = &[];

/// What the database says of a migration.
struct Recorded {
    name: String,
    /// The newest migration that a node must know to run after it: nothing where it only adds. None where a version
    /// before this one has recorded it.
    needs: Option<String>,
}

/// Applies what the database lacks and returns the names of the migrations that were applied.
///
/// Two callers at a time are kept apart by a lock of the caller's.
///
/// # Errors
/// When the database refuses a statement, or has a migration of a later version after which nodes of this one cannot
/// run: then nothing is changed.
pub async fn migrate(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let backend = db.get_database_backend();
    prepare(db).await?;
    let recorded = recorded(db).await?;
    accept_unknown(&recorded)?;
    let mut applied = Vec::new();
    for (name, statements) in MIGRATIONS {
        if recorded.iter().any(|it| it.name == *name) {
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

/// Makes the table of migrations, which versions before this one made without the column `needs`.
async fn prepare(db: &DatabaseConnection) -> Result<(), DbErr> {
    db.execute_unprepared(
        "CREATE TABLE IF NOT EXISTS seaql_migrations \
         (version varchar NOT NULL PRIMARY KEY, applied_at bigint NOT NULL, needs text)",
    )
    .await?;
    let backend = db.get_database_backend();
    let columns = match backend {
        DbBackend::Postgres => {
            "SELECT 1 AS one FROM pg_attribute WHERE attrelid = 'seaql_migrations'::regclass AND attname = 'needs'"
        }
        _ => "SELECT 1 AS one FROM pragma_table_info('seaql_migrations') WHERE name = 'needs'",
    };
    let found = db.query_one_raw(Statement::from_string(backend, columns));
    if found.await?.is_none() {
        db.execute_unprepared("ALTER TABLE seaql_migrations ADD COLUMN needs text")
            .await?;
    }
    Ok(())
}

async fn recorded(db: &DatabaseConnection) -> Result<Vec<Recorded>, DbErr> {
    let select = "SELECT version, needs FROM seaql_migrations ORDER BY version";
    db.query_all_raw(Statement::from_string(db.get_database_backend(), select))
        .await?
        .iter()
        .map(|row| {
            Ok(Recorded {
                name: row.try_get("", "version")?,
                needs: row.try_get("", "needs")?,
            })
        })
        .collect()
}

/// A schema of a later version may lack what this one writes. Then it says so.
fn accept_unknown(recorded: &[Recorded]) -> Result<(), DbErr> {
    let is_known = |name: &str| MIGRATIONS.iter().any(|(known, _)| *known == name);
    let unknown = recorded.iter().filter(|it| !is_known(&it.name));
    let (mut accepted, mut refused) = (Vec::new(), Vec::new());
    for one in unknown {
        let may_run = |needs: &str| needs.is_empty() || is_known(needs);
        if one.needs.as_deref().is_some_and(may_run) {
            accepted.push(one.name.as_str());
        } else {
            refused.push(one.name.as_str());
        }
    }
    if !refused.is_empty() {
        return Err(DbErr::Migration(format!(
            "the database was migrated by a later version, beside which this one cannot run: it has {}",
            refused.join(", ")
        )));
    }
    if !accepted.is_empty() {
        tracing::warn!(
            migrations = accepted.join(", "),
            "the database was migrated by a later version, beside which this one can run"
        );
    }
    Ok(())
}

fn record(name: &str, backend: DbBackend) -> String {
    let now = match backend {
        DbBackend::Postgres => "extract(epoch FROM now())::bigint",
        _ => "unixepoch()",
    };
    let contraction = CONTRACTIONS.iter().find(|(one, _)| *one == name);
    let needs = contraction.map_or("", |(_, needs)| *needs);
    format!(
        "INSERT INTO seaql_migrations (version, applied_at, needs) VALUES ('{name}', {now}, '{needs}')"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(name: &str, needs: Option<&str>) -> Recorded {
        Recorded {
            name: name.to_owned(),
            needs: needs.map(str::to_owned),
        }
    }

    #[test]
    fn a_later_schema_is_accepted_where_it_only_adds_or_needs_what_this_version_knows() {
        let known = MIGRATIONS.last().unwrap().0;
        for (needs, accepted) in [
            (Some(""), true),
            (Some(known), true),
            (Some("m20990101_000001_later"), false),
            (None, false),
        ] {
            let all = [recorded(known, None), recorded("m20990101_000002", needs)];
            assert_eq!(accept_unknown(&all).is_ok(), accepted, "{needs:?}");
        }
    }

    #[test]
    fn a_contraction_is_a_migration_and_needs_one_before_it() {
        let place = |name: &str| MIGRATIONS.iter().position(|(one, _)| *one == name);
        for (name, needs) in CONTRACTIONS {
            assert!(place(needs).unwrap() < place(name).unwrap(), "{name}");
        }
    }
}
