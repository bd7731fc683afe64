//! Checks of cursors: each must be a place in the log that is read. One that names a place in
//! another stream would hide what is before it there; one that names no event at all was given out
//! by a state of the database that a backup has replaced, and what came before it is not what its
//! holder has seen.

use super::super::{Error, Storage, sql};
use crate::model::{Cursor, ExecutionId, Refusal, SessionId, TenantScope};
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
    /// [`Error::Refused`] when it is another stream's; [`Error::CursorExpired`] when no event has it;
    /// when the database does not answer.
    pub async fn check_position(
        &self,
        scope: &TenantScope,
        reading: Reading,
        cursor: Cursor,
    ) -> Result<(), Error> {
        let text = "SELECT stream_id FROM event \
             WHERE tenant_id = $1 AND tx = $2 AND ord = $3 AND seq = $4";
        let values = [
            scope.tenant().as_str().into(),
            cursor.tx.into(),
            cursor.ord.into(),
            cursor.seq.into(),
        ];
        let rows = sql::query(&self.db.reader, text, values).await?;
        let Some(row) = rows.first() else {
            let last = self.last_before(scope, reading, cursor).await?;
            return Err(Error::CursorExpired { last });
        };
        match reading {
            Reading::Execution(id) if get::<uuid::Uuid>(row, "stream_id")? != id.0 => {
                let message = "the cursor is not one of this execution's events";
                Err(Refusal::invalid(["after"], message).into())
            }
            _ => Ok(()),
        }
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
