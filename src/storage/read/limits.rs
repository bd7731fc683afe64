//! Reads of limits: what is to be cancelled because something came after it, and what should not be.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::super::{Error, Storage, places::PlaceState, sql, write::MendLimits};
use crate::model::{ExecutionId, LimitPolicy, TenantId, TenantScope};
use sql::{Rows, get};

/// Executions that are read at once which others have overtaken.
const OVERTAKEN: i64 = 10_000;

impl Storage {
    /// The executions with a place in a bucket, or waiting for one, but for the newest ones, as many as it has places:
    /// what a limit cancels that lets nothing wait.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn overtaken_in(
        &self,
        bucket: &str,
    ) -> Result<Vec<(TenantScope, ExecutionId, String)>, Error> {
        let text = format!(
            "SELECT execution_id, tenant_id, name, most FROM limit_place WHERE bucket = $1 \
             AND state IN ({}, {}) ORDER BY execution_id DESC LIMIT {OVERTAKEN}",
            PlaceState::Waiting.code(),
            PlaceState::Held.code()
        );
        let rows = sql::query(&self.db.reader, &text, [bucket.into()]).await?;
        let Some(newest) = rows.first() else {
            return Ok(Vec::new());
        };
        let most = usize::try_from(get::<i64>(newest, "most")?).unwrap_or(0);
        let before = rows.iter().skip(most);
        let before = before.map(|row| {
            let tenant: String = get(row, "tenant_id")?;
            let scope = TenantScope::of_row(TenantId::stored(&tenant));
            Ok((
                scope,
                ExecutionId(get(row, "execution_id")?),
                get(row, "name")?,
            ))
        });
        before.collect()
    }

    /// Buckets in which something waits that is to cancel what came before it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn overtaken_buckets(&self, most: u32) -> Result<Vec<String>, Error> {
        // Word for word the condition of its index.
        let text = format!(
            "SELECT DISTINCT bucket FROM limit_place WHERE policy = {} AND state = {} LIMIT {most}",
            LimitPolicy::CancelPrevious.code(),
            PlaceState::Waiting.code()
        );
        let rows = sql::query(&self.db.reader, &text, []).await?;
        rows.iter().map(|row| get(row, "bucket")).collect()
    }

    /// Looks through the next `most` places for those of executions that have ended, and for executions that wait
    /// though there is room; gives the places on. There must be none. Beside the number of executions the place to go on
    /// after.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn mend_limits(
        &self,
        after: Option<ExecutionId>,
        most: u32,
    ) -> Result<(usize, Option<ExecutionId>), Error> {
        let db = &self.db.reader;
        let text = "SELECT p.execution_id, p.bucket, p.most, p.state, \
             (e.finished_at IS NOT NULL) AS has_ended FROM limit_place p \
             JOIN execution e ON e.id = p.execution_id \
             WHERE p.execution_id > $1 ORDER BY p.execution_id LIMIT $2";
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let rows = sql::query(db, text, [after.into(), i64::from(most).into()]).await?;
        let mut suspects = BTreeSet::new();
        let mut waiting: BTreeMap<String, (i64, ExecutionId)> = BTreeMap::new();
        for row in &rows {
            let id = ExecutionId(get(row, "execution_id")?);
            if get(row, "has_ended")? {
                suspects.insert(id);
            } else if get::<i64>(row, "state")? == PlaceState::Waiting.code() {
                waiting.insert(get(row, "bucket")?, (get(row, "most")?, id));
            }
        }
        let mut counted = Rows::of(&["bucket", "most"]);
        for (bucket, (most, _)) in &waiting {
            counted.push(vec![bucket.as_str().into(), (*most).into()]);
        }
        let tail = format!(
            "SELECT x.bucket FROM x WHERE x.most > (SELECT COUNT(*) FROM limit_place h \
             WHERE h.bucket = x.bucket AND h.state = {})",
            PlaceState::Held.code()
        );
        for row in counted.query(db, &tail).await? {
            let bucket: String = get(&row, "bucket")?;
            suspects.extend(waiting.get(&bucket).map(|(_, id)| *id));
        }
        let is_full = rows.len() as u64 >= u64::from(most);
        let last = rows.last().filter(|_| is_full);
        let last = last.map(|row| Ok::<_, Error>(ExecutionId(get(row, "execution_id")?)));
        let mut mended = 0;
        let suspects: Vec<ExecutionId> = suspects.into_iter().collect();
        for suspects in suspects.chunks(500) {
            let suspects = suspects.to_vec();
            mended += self.writer.run(MendLimits { suspects }).await?;
        }
        self.forget_rates().await?;
        Ok((mended, last.transpose()?))
    }

    /// Forgets buckets whose tokens are all there.
    async fn forget_rates(&self) -> Result<(), Error> {
        let db = &self.db.writer;
        let now = sql::now_expression(db.backend());
        let text = format!("DELETE FROM limit_rate WHERE next_at < {now}");
        db.execute(&text, []).await?;
        Ok(())
    }
}
