//! Checks of cursors: each must be a place in the log that is read. One that names a place in
//! another stream would hide what is before it there; one that names no event at all was given out
//! by a state of the database that a backup has replaced, and what came before it is not what its
//! holder has seen.

use sea_orm::QueryResult;
use uuid::Uuid;

use super::super::{Error, Storage, sql};
use crate::model::{Cursor, ExecutionId, Refusal, SessionId, TenantId, TenantScope};
use sql::get;

/// The part of the log in which a cursor goes on.
#[derive(Debug, Clone, Copy)]
pub enum Reading {
    /// The events of one execution.
    Execution(ExecutionId),
    /// Those of all executions of a session, of whose tenant any event is a place.
    Session(SessionId),
    /// The log of a tenant.
    Tenant,
}

impl Storage {
    /// Refuses a cursor that is not a place in what is read after it.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is another stream's; [`Error::CursorTrimmed`] when retention has removed events
    /// behind it; [`Error::CursorExpired`] when no event has it;
    /// when the database does not answer.
    pub async fn check_position(
        &self,
        scope: &TenantScope,
        reading: Reading,
        cursor: Cursor,
    ) -> Result<(), Error> {
        let text = "SELECT (SELECT e.stream_id FROM event e \
             WHERE e.tenant_id = $1 AND e.tx = $2 AND e.ord = $3 AND e.seq = $4) AS stream_id, t.tx, t.ord, t.seq \
             FROM (SELECT 1 AS one) o LEFT JOIN log_trim t ON t.tenant_id = $1";
        let values = [
            scope.tenant().as_str().into(),
            cursor.tx.into(),
            cursor.ord.into(),
            cursor.seq.into(),
        ];
        let rows = sql::query(&self.db.reader, text, values).await?;
        let row = rows.first();
        let trimmed = row.map(trimmed).transpose()?.flatten();
        let stream = row.map(|row| get::<Option<Uuid>>(row, "stream_id"));
        if !matches!(reading, Reading::Execution(_))
            && let Some(trimmed) = trimmed.filter(|trimmed| cursor <= *trimmed)
        {
            // Behind its place itself nothing was removed.
            return if cursor == trimmed {
                Ok(())
            } else {
                Err(Error::CursorTrimmed { oldest: trimmed })
            };
        }
        let Some(stream) = stream.transpose()?.flatten() else {
            let last = self.last_before(scope, reading, cursor).await?;
            return Err(Error::CursorExpired { last });
        };
        match reading {
            Reading::Execution(id) if stream != id.0 => {
                let message = "the cursor is not one of this execution's events";
                Err(Refusal::invalid(["after"], message).into())
            }
            _ => Ok(()),
        }
    }

    /// The last place of the tenant's log at which retention has removed an event; none if it never has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_trimmed(&self, tenant: &TenantId) -> Result<Option<Cursor>, Error> {
        let text = "SELECT t.tx, t.ord, t.seq FROM log_trim t WHERE t.tenant_id = $1";
        let rows = sql::query(&self.db.reader, text, [tenant.as_str().into()]).await?;
        Ok(rows.first().map(trimmed).transpose()?.flatten())
    }

    /// The last place in the log of a tenant, or of one session, before which nothing can appear any more; none when
    /// there is no entry yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn last_place(
        &self,
        scope: &TenantScope,
        session: Option<SessionId>,
    ) -> Result<Option<Cursor>, Error> {
        let reading = session.map_or(Reading::Tenant, Reading::Session);
        let settled = self.settled_log().await?.unwrap_or(i64::MAX);
        let end = Cursor {
            tx: settled,
            ord: -1,
            seq: 0,
        };
        self.last_before(scope, reading, end).await
    }

    /// The last place before a cursor.
    async fn last_before(
        &self,
        scope: &TenantScope,
        reading: Reading,
        cursor: Cursor,
    ) -> Result<Option<Cursor>, Error> {
        let mut values = vec![
            scope.tenant().as_str().into(),
            cursor.tx.into(),
            cursor.ord.into(),
        ];
        let (within, order) = match reading {
            Reading::Execution(id) => {
                values.push(id.0.into());
                // An expression, lest the tenant's whole log is read to spare sorting one stream.
                ("stream_id = $4 AND tenant_id || '' = $1", "seq DESC")
            }
            Reading::Session(id) => {
                values.push(id.0.into());
                (
                    "session_id = $4 AND tenant_id || '' = $1",
                    "tx DESC, ord DESC",
                )
            }
            Reading::Tenant => ("tenant_id = $1", "tx DESC, ord DESC"),
        };
        let text = format!(
            "SELECT tx, ord, seq FROM event WHERE {within} AND (tx, ord) < ($2, $3) \
             ORDER BY {order} LIMIT 1"
        );
        let rows = sql::query(&self.db.reader, &text, values).await?;
        let place = rows.first().map(|row| {
            Ok::<_, Error>(Cursor {
                tx: get(row, "tx")?,
                ord: get(row, "ord")?,
                seq: get(row, "seq")?,
            })
        });
        place.transpose()
    }
}

/// How far the log was trimmed, if it was.
fn trimmed(row: &QueryResult) -> Result<Option<Cursor>, Error> {
    let (tx, ord, seq) = (get(row, "tx")?, get(row, "ord")?, get(row, "seq")?);
    let (Some(tx), Some(ord), Some(seq)) = (tx, ord, seq) else {
        return Ok(None);
    };
    let place = Cursor { tx, ord, seq };
    Ok((place != Cursor::default()).then_some(place))
}
