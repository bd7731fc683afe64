//! Checkpoints of the log: how far each tenant's was signed, and what has come since. What is still being
//! written is left out, so nothing can appear before the place of a checkpoint.

use entity::checkpoint;
use sea_orm::FromQueryResult;

use super::{Error, Storage, chain, sql, write::RecordCheckpoints};
use crate::model::{ChainHash, Checkpoint, Cursor, LogHead, Micros, TenantId, TenantScope};
use sql::{Queries, columns, get};

/// Entries that are read by one statement.
const PAGE: usize = 1_000;
/// The most entries between two checkpoints; of a longer log there are several.
const MOST_ENTRIES: usize = 20_000;

/// A tenant's log with what has come to it since its last checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrownLog {
    /// How it stands by now, or after the next 20,000 entries if there are more.
    pub head: LogHead,
    /// False if nothing has come.
    pub has_grown: bool,
    /// True if there are more entries than one checkpoint takes in.
    pub has_more: bool,
    /// The number of its next checkpoint.
    pub number: i64,
    /// The time by the database's clock.
    pub now: Micros,
}

impl Storage {
    /// The first tenant after this one that has a log, and what has come to it since its last checkpoint.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_next_log(&self, after: Option<&TenantId>) -> Result<Option<GrownLog>, Error> {
        let db = &self.db.reader;
        let text = format!(
            "SELECT MIN(tenant_id) AS tenant_id, {} AS now FROM event WHERE tenant_id > $1",
            sql::now_expression(db.backend())
        );
        let after = after.map_or("", TenantId::as_str);
        let rows = sql::query(db, &text, [after.into()]).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let Some(tenant) = get::<Option<String>>(row, "tenant_id")? else {
            return Ok(None);
        };
        let (tenant, now) = (TenantId::stored(&tenant), get(row, "now")?);
        let last = find(&self.db.reader, &tenant, None).await?;
        let number = last
            .as_ref()
            .map_or(Some(1), |last| last.number.checked_add(1));
        let begin = last.map_or_else(|| head_of(&tenant), |last| head_at(&last));
        let settled = self.settled_log().await?;
        let (head, has_more) = walk(&self.db.reader, begin.clone(), settled).await?;
        let mut has_grown = head.position != begin.position;
        if number.is_none() {
            // No server has written that; the logs of other tenants are signed all the same.
            tracing::error!(%tenant, "the number of a checkpoint was altered: the log is not signed any more");
            has_grown = false;
        }
        Ok(Some(GrownLog {
            head,
            has_grown,
            has_more: has_more && has_grown,
            number: number.unwrap_or(i64::MAX),
            now,
        }))
    }

    /// Records checkpoints; one whose number another node has taken is dropped.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn record_checkpoints(&self, checkpoints: Vec<Checkpoint>) -> Result<(), Error> {
        self.writer.run(RecordCheckpoints { checkpoints }).await
    }

    /// Returns whether a tenant's log has been signed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_checkpoints(&self, tenant: &TenantId) -> Result<bool, Error> {
        Ok(find(&self.db.reader, tenant, None).await?.is_some())
    }

    /// A checkpoint of the tenant's log: the last one, or that with a number.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_checkpoint(
        &self,
        scope: &TenantScope,
        number: Option<i64>,
    ) -> Result<Option<Checkpoint>, Error> {
        find(&self.db.reader.of(scope), scope.tenant(), number).await
    }
}

pub(super) async fn find(
    db: &impl Queries,
    tenant: &TenantId,
    number: Option<i64>,
) -> Result<Option<Checkpoint>, Error> {
    let text = format!(
        "SELECT {} FROM checkpoint c WHERE tenant_id = $1 AND number >= $2 AND number <= $3 \
         ORDER BY number DESC LIMIT 1",
        columns::<checkpoint::Entity>("c")
    );
    let (least, most) = number.map_or((0, i64::MAX), |number| (number, number));
    let values = [tenant.as_str().into(), least.into(), most.into()];
    let rows = sql::query(db, &text, values).await?;
    let row = rows
        .first()
        .map(|row| checkpoint::Model::from_query_result(row, ""));
    row.transpose()?.map(Checkpoint::try_from).transpose()
}

/// A log before its first entry.
pub(super) fn head_of(tenant: &TenantId) -> LogHead {
    LogHead {
        tenant_id: tenant.clone(),
        position: Cursor::default(),
        entries: 0,
        hash: ChainHash::NONE,
    }
}

/// The log as a checkpoint says that it stood.
pub(super) fn head_at(checkpoint: &Checkpoint) -> LogHead {
    LogHead {
        tenant_id: checkpoint.tenant_id.clone(),
        position: checkpoint.position,
        entries: checkpoint.entries,
        hash: checkpoint.hash,
    }
}

/// Goes on from `head` by at most [`MOST_ENTRIES`], none of which has the number `settled` or a higher one. Says
/// also whether there may be more.
async fn walk(
    db: &impl Queries,
    mut head: LogHead,
    settled: Option<i64>,
) -> Result<(LogHead, bool), Error> {
    let mut seen = 0;
    while seen < MOST_ENTRIES {
        let page = entries_after(db, &head, settled.unwrap_or(i64::MAX)).await?;
        let Some(last) = page.last() else {
            return Ok((head, false));
        };
        let position = last.0;
        seen += page.len();
        let is_last = page.len() < PAGE;
        for (_, hash) in page {
            advance(&mut head, hash);
        }
        head.position = position;
        if is_last {
            return Ok((head, false));
        }
    }
    Ok((head, true))
}

/// Takes one more entry in; that one without a hash is there is part of what is signed, too.
pub(super) fn advance(head: &mut LogHead, hash: Option<ChainHash>) {
    head.hash = chain::joined(head.hash, hash.unwrap_or(ChainHash::NONE));
    head.entries = head.entries.saturating_add(1);
}

/// The places and hashes of the next entries below the number `before`, those that retention has removed among
/// them.
pub(super) async fn entries_after(
    db: &impl Queries,
    head: &LogHead,
    before: i64,
) -> Result<Vec<(Cursor, Option<ChainHash>)>, Error> {
    let of = |table: &str| {
        format!(
            "SELECT * FROM (SELECT tx, ord, seq, hash FROM {table} WHERE tenant_id = $1 \
             AND (tx, ord) > ($2, $3) AND tx < $4 ORDER BY tx, ord LIMIT {PAGE}) {table}_page"
        )
    };
    let text = format!(
        "SELECT tx, ord, seq, hash FROM ({} UNION ALL {}) entries ORDER BY tx, ord LIMIT {PAGE}",
        of("event"),
        of("removed_entry")
    );
    let (tenant, after) = (head.tenant_id.as_str(), head.position);
    let values = [
        tenant.into(),
        after.tx.into(),
        after.ord.into(),
        before.into(),
    ];
    let rows = sql::query(db, &text, values).await?;
    rows.iter()
        .map(|row| {
            let cursor = Cursor {
                tx: get(row, "tx")?,
                ord: get(row, "ord")?,
                seq: get(row, "seq")?,
            };
            Ok((cursor, chain::stored(get(row, "hash")?)?))
        })
        .collect()
}
