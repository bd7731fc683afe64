//! Bringing the schema up to date, by one starter at a time.

use std::path::Path;

use futures::TryFutureExt;
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database as SeaOrm, DbErr, RuntimeErr,
    sqlx::{Connection, PgConnection},
};

use super::{
    Error,
    db::{self, within},
    era,
};

/// The key of the advisory lock that starters of all nodes queue for.
const LOCK_KEY: i64 = 0x7a6b_656f_6666;

/// Applies what is missing and returns the names of the migrations that were applied.
///
/// # Errors
/// When the database cannot be reached or refuses a migration.
pub async fn migrate(options: &super::Options) -> Result<Vec<String>, Error> {
    if let Some(path) = db::sqlite_path(&options.url) {
        return migrate_sqlite(options, &path).await;
    }
    let url = db::primary_url(options).await?;
    reach(&url, options).await?;
    // A connection of its own: the advisory lock belongs to the session that took it.
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(1)
        .connect_timeout(options.acquire_timeout)
        .acquire_timeout(options.acquire_timeout)
        .sqlx_logging(false);
    let lock = SeaOrm::connect(connect.clone()).await?;
    lock.execute_unprepared(&format!("SELECT pg_advisory_lock({LOCK_KEY})"))
        .await?;
    let db = SeaOrm::connect(connect).await?;
    let applied = migration::migrate(&db).await;
    let renewed = match &applied {
        Ok(_) => era::renew(&db).await,
        Err(_) => Ok(()),
    };
    db.close().await?;
    lock.execute_unprepared(&format!("SELECT pg_advisory_unlock({LOCK_KEY})"))
        .await?;
    lock.close().await?;
    renewed?;
    Ok(applied?)
}

/// Connects once. A pool tries until its time is up and then says nothing of the reason.
async fn reach(url: &str, options: &super::Options) -> Result<(), Error> {
    let unreachable = |e: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(e.into()));
    let connection = PgConnection::connect(url);
    within(
        Some(options.acquire_timeout),
        connection.map_err(unreachable),
    )
    .await?
    .close()
    .await
    .map_err(unreachable)?;
    Ok(())
}

async fn migrate_sqlite(options: &super::Options, path: &Path) -> Result<Vec<String>, Error> {
    let lock_path = path.with_extension("migrate-lock");
    let folder = path.parent().map(Path::to_path_buf);
    let unusable =
        |e: std::io::Error| Error::Unavailable(DbErr::Custom(format!("{}: {e}", path.display())));
    // The lock is released when the file is closed, also when the process dies.
    let lock = tokio::task::spawn_blocking(move || {
        folder.map_or(Ok(()), std::fs::create_dir_all)?;
        let file = std::fs::File::create(lock_path)?;
        file.lock().map(|()| file)
    })
    .await
    .map_err(|e| Error::Unavailable(DbErr::Custom(e.to_string())))?
    .map_err(unusable)?;
    let db = db::sqlite_migrator(options).await?;
    let applied = migration::migrate(&db).await;
    db.close().await?;
    drop(lock);
    Ok(applied?)
}
