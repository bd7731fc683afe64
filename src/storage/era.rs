//! The order of the log across clusters of PostgreSQL.
//!
//! On PostgreSQL the log is ordered by the numbers of transactions, which belong to a cluster: one into
//! which a dump was restored begins anew, and a standby that was promoted gives out again those whose
//! transactions it had not got. The numbers of the log therefore have an era in their high bits. Whoever
//! finds another cluster or timeline begins the next era, so that whatever is written from then on comes
//! after all that is there, and after all that anybody has seen. Each new connection looks, for a
//! failover ends all that are there; a start looks also for numbers that its cluster has not reached.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, TransactionTrait};
use sqlx::PgConnection;

use super::{Error, sql};

/// The era of what is written now, moved to its place, as an expression on PostgreSQL. A cluster's own
/// numbers are below 2^48: a million transactions a second for nine years.
pub(super) const FLOOR: &str = "((SELECT max(number) FROM era) << 48)";

/// The highest number of the log as `l(log_end)`, tenant by tenant by hops over an index: there is none on
/// the number alone.
const LOG_END: &str = "WITH RECURSIVE t(tenant_id) AS ( \
     SELECT * FROM (SELECT tenant_id FROM event ORDER BY tenant_id LIMIT 1) f \
     UNION ALL SELECT (SELECT e.tenant_id FROM event e WHERE e.tenant_id > t.tenant_id \
     ORDER BY e.tenant_id LIMIT 1) FROM t WHERE t.tenant_id IS NOT NULL), \
     l(log_end) AS (SELECT COALESCE(max((SELECT e.tx FROM event e WHERE e.tenant_id = t.tenant_id \
     ORDER BY e.tx DESC, e.ord DESC LIMIT 1)), 0) FROM t WHERE t.tenant_id IS NOT NULL)";

/// Begins the next era, if that is due. No transaction of a writer is on its way meanwhile; a start that
/// finds nothing to do holds up nobody.
pub(super) async fn renew(db: &DatabaseConnection) -> Result<(), Error> {
    if db.get_database_backend() != DbBackend::Postgres || !Found::look(db).await?.is_new() {
        return Ok(());
    }
    let transaction = db.begin().await?;
    // Every writer reads the table and keeps its lock to the end.
    let lock = "LOCK TABLE era IN ACCESS EXCLUSIVE MODE";
    transaction.execute_unprepared(lock).await?;
    let found = Found::look(&transaction).await?;
    if found.is_ahead || (found.is_new() && !found.known.is_empty()) {
        let number = found.number + 1;
        let text = "INSERT INTO era (number, cluster, log_end) VALUES ($1, $2, $3)";
        let values = [number.into(), found.cluster.into(), found.log_end.into()];
        sql::execute(&transaction, text, values).await?;
        tracing::warn!(
            era = number,
            "the database was restored or promoted: the log goes on in a new era"
        );
    } else if found.is_new() {
        let text = "UPDATE era SET cluster = $1 WHERE number = $2";
        let values = [found.cluster.into(), found.number.into()];
        sql::execute(&transaction, text, values).await?;
    }
    Ok(transaction.commit().await?)
}

/// Returns whether the newest era is that of the cluster which the connection leads to. Not for a
/// standby, which cannot tell its timeline.
pub(super) async fn is_of_this_cluster(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let text = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE'), \
         left(pg_walfile_name(pg_current_wal_lsn()), 8), \
         (SELECT cluster FROM era ORDER BY number DESC LIMIT 1)";
    let found: (bool, String, String) = sqlx::query_as(text).fetch_one(&mut *connection).await?;
    let (may_ask, timeline, known) = found;
    let id = if may_ask {
        let text = "SELECT system_identifier::text FROM pg_control_system()";
        Some(sqlx::query_scalar(text).fetch_one(connection).await?)
    } else {
        None
    };
    Ok(known == name_of(id, timeline))
}

/// Returns the name by which clusters, and the timelines of one, are told apart. A role that may
/// not ask for the cluster's own identifier still has the timeline.
fn name_of(id: Option<String>, timeline: String) -> String {
    match id {
        Some(id) => format!("{id}/{timeline}"),
        None => timeline,
    }
}

/// The era that is there, and the cluster that it is found in.
struct Found {
    number: i64,
    /// Empty until the first start with eras.
    known: String,
    cluster: String,
    log_end: i64,
    /// The log has numbers that the cluster has not reached.
    is_ahead: bool,
}

impl Found {
    async fn look(db: &impl ConnectionTrait) -> Result<Self, Error> {
        let text = format!(
            "{LOG_END} SELECT e.number, e.cluster, l.log_end, \
             {FLOOR} + pg_snapshot_xmax(pg_current_snapshot())::text::bigint <= l.log_end \
             AS is_ahead FROM (SELECT number, cluster FROM era ORDER BY number DESC LIMIT 1) e, l"
        );
        let rows = sql::query(db, &text, []).await?;
        let row = rows.first().ok_or(Error::Corrupt {
            what: "era",
            source: None,
        })?;
        Ok(Self {
            number: sql::get(row, "number")?,
            known: sql::get(row, "cluster")?,
            cluster: cluster(db).await?,
            log_end: sql::get(row, "log_end")?,
            is_ahead: sql::get(row, "is_ahead")?,
        })
    }

    fn is_new(&self) -> bool {
        self.known != self.cluster || self.is_ahead
    }
}

async fn cluster(db: &impl ConnectionTrait) -> Result<String, Error> {
    let text = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE') AS may_ask, \
         left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline";
    let rows = sql::query(db, text, []).await?;
    let row = rows.first().ok_or(Error::Corrupt {
        what: "timeline",
        source: None,
    })?;
    let timeline: String = sql::get(row, "timeline")?;
    let mut id = None;
    if sql::get(row, "may_ask")? {
        let text = "SELECT system_identifier::text AS id FROM pg_control_system()";
        let rows = sql::query(db, text, []).await?;
        id = rows.first().map(|row| sql::get(row, "id")).transpose()?;
    }
    Ok(name_of(id, timeline))
}
