//! The heads of sessions and of executions' states, which are read to decide whether a copy of the
//! state will do.

use std::collections::HashMap;

use super::{
    super::{Error, Storage, convert::session_status, db::Reader, sql},
    gather::Gather,
    reach::is_session_reached,
};
use crate::model::{
    ExecutionId, Micros, RawJson, Reach, Session, SessionId, SessionKey, TenantId, TenantScope,
};

/// A version of a state. A state never changes without one of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateStamp {
    /// Grows by one with every write.
    pub version: i64,
    /// When it was written last; tells apart two histories of a database that was copied.
    pub updated_at: Micros,
}

/// A session without its state.
#[derive(Debug, Clone)]
pub struct SessionHead {
    session: Session,
}

impl SessionHead {
    /// The version of the state that belongs to it.
    #[must_use]
    pub fn stamp(&self) -> StateStamp {
        StateStamp {
            version: self.session.state_version,
            updated_at: self.session.updated_at,
        }
    }

    /// Returns whether the session is within reach.
    #[must_use]
    pub fn is_within(&self, reach: &Reach) -> bool {
        is_session_reached(reach, self.session.id, self.session.user_id.as_deref())
    }

    /// The session, with a state that has [`Self::stamp`].
    #[must_use]
    pub fn with_state(self, state: RawJson) -> Session {
        Session {
            state,
            ..self.session
        }
    }
}

/// Heads of sessions of whatever tenant, for [`Storage::session_head`] alone.
pub(in crate::storage) type SessionHeads = Gather<SessionKey, SessionHead>;

/// Reads heads, those that are asked for at the same time in one query.
pub(in crate::storage) fn session_heads(db: &Reader) -> SessionHeads {
    let db = db.clone();
    Gather::start(QUERIES, MOST_HEADS, move |keys| {
        load_heads(db.clone(), keys)
    })
}

const QUERIES: usize = 2;
const MOST_HEADS: usize = 256;

async fn load_heads(
    db: Reader,
    keys: Vec<SessionKey>,
) -> Result<HashMap<SessionKey, SessionHead>, Error> {
    let join = sql::join(&db);
    let tail = format!(
        "SELECT s.id, s.tenant_id, s.user_id, s.solution_id, s.is_anonymous, s.status, s.metadata, \
         s.state_version, s.created_at, s.updated_at, s.expires_at, s.expires_at <= {} AS overdue \
         FROM x {join} session s ON s.id = x.id AND s.tenant_id = x.tenant_id",
        sql::now_expression(db.get_database_backend())
    );
    let mut wanted = sql::Rows::of(&["id", "tenant_id"]);
    for key in keys {
        wanted.push(vec![key.id.0.into(), key.tenant_id.as_str().into()]);
    }
    let rows = wanted.query(&db, &tail).await?;
    let heads = rows.iter().map(|row| {
        let head = head(row)?;
        Ok((head.session.key(), head))
    });
    heads.collect()
}

impl Storage {
    /// The session without its state; an overdue one is EXPIRED.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn session_head(
        &self,
        scope: &TenantScope,
        id: SessionId,
    ) -> Result<Option<SessionHead>, Error> {
        let found = self.session_heads.get(SessionKey::of(scope, id)).await?;
        if let (Some(meter), Some(head)) = (scope.meter(), &found) {
            meter.read(head.session.metadata.as_str().len() as u64)?;
        }
        Ok(found)
    }

    /// The version of an execution's state; none before the first write.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn execution_state_stamp(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
    ) -> Result<Option<StateStamp>, Error> {
        let text = "SELECT version, updated_at FROM execution_state \
             WHERE execution_id = $1 AND tenant_id = $2";
        let values = [id.0.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader.of(scope), text, values).await?;
        rows.first().map(stamp).transpose()
    }

    /// An execution's state and its version; none before the first write.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn execution_state(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
    ) -> Result<Option<(RawJson, StateStamp)>, Error> {
        let text = "SELECT state, version, updated_at FROM execution_state \
             WHERE execution_id = $1 AND tenant_id = $2";
        let values = [id.0.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader.of(scope), text, values).await?;
        rows.first()
            .map(|row| {
                let state = RawJson::trusted(sql::get(row, "state")?);
                Ok((state, stamp(row)?))
            })
            .transpose()
    }
}

fn stamp(row: &sea_orm::QueryResult) -> Result<StateStamp, Error> {
    Ok(StateStamp {
        version: sql::get(row, "version")?,
        updated_at: sql::get(row, "updated_at")?,
    })
}

fn head(row: &sea_orm::QueryResult) -> Result<SessionHead, Error> {
    let stored = session_status(sql::get(row, "status")?)?;
    let overdue: bool = sql::get(row, "overdue")?;
    let status = stored.when(overdue);
    let session = Session {
        id: SessionId(sql::get(row, "id")?),
        tenant_id: TenantId::stored(&sql::get::<String>(row, "tenant_id")?),
        user_id: sql::get(row, "user_id")?,
        solution_id: sql::get(row, "solution_id")?,
        is_anonymous: sql::get(row, "is_anonymous")?,
        status,
        metadata: RawJson::trusted(sql::get(row, "metadata")?),
        state: RawJson::null(),
        state_version: sql::get(row, "state_version")?,
        created_at: sql::get(row, "created_at")?,
        updated_at: sql::get(row, "updated_at")?,
        expires_at: sql::get(row, "expires_at")?,
    };
    Ok(SessionHead { session })
}
