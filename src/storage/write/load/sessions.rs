//! Sessions: locked as a whole to be changed, or looked at without a lock.

use std::collections::BTreeSet;

use entity::session;
use sea_orm::{FromQueryResult, QueryResult};

use super::{
    super::{
        super::{
            Error, chain,
            convert::{SessionRow, session_status},
            db::Transaction,
            sql,
        },
        operation::Needs,
        rows::Standing,
        working::Working,
    },
    rows::lock_clause,
};
use crate::model::{Session, SessionId, SessionKey, TenantId};
use sql::{Rows, columns, get};

/// Each key once, in the order in which rows are locked.
pub(super) fn rows<'a>(keys: impl IntoIterator<Item = &'a SessionKey>) -> Rows {
    let keys: BTreeSet<&SessionKey> = keys.into_iter().collect();
    let mut rows = Rows::of(&["id", "tenant_id"]);
    for key in keys {
        rows.push(vec![key.id.0.into(), key.tenant_id.as_str().into()]);
    }
    rows
}

/// Locks sessions and reads all of them.
pub(super) fn lock(db: &Transaction) -> String {
    format!(
        "SELECT {} FROM x {} session s ON s.id = x.id AND s.tenant_id = x.tenant_id {}",
        columns::<session::Entity>("s"),
        sql::join(db),
        lock_clause(db, "ORDER BY s.id, s.tenant_id FOR UPDATE OF s")
    )
}

/// Reads what a submit asks of its session.
pub(super) fn look(db: &Transaction) -> String {
    let join = sql::join(db);
    format!(
        "SELECT s.id, s.tenant_id, s.status, s.expires_at, s.user_id \
         FROM x {join} session s ON s.id = x.id AND s.tenant_id = x.tenant_id"
    )
}

/// Those that are not there yet; first the ones to be locked.
pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    let overdue = working.overdue_sessions.clone();
    let locked = needs.sessions_locked.iter().chain(&overdue);
    let missing = locked.filter(|key| !working.sessions.has(key));
    let found = rows(missing).query(db, &lock(db)).await?;
    remember(found, working)?;
    let missing = needs.sessions.iter();
    let missing = missing.filter(|key| working.standing(key).is_none());
    let found = rows(missing).query(db, &look(db)).await?;
    remember_standings(&found, working)
}

pub(super) fn remember(rows: Vec<QueryResult>, working: &mut Working) -> Result<(), Error> {
    for row in rows {
        let model = session::Model::from_query_result(&row, "")?;
        let (stream_id, next_seq) = (model.stream_id, model.next_seq);
        let last_hash = chain::stored(model.last_hash.clone())?;
        let secret_digest = model.secret_digest.clone();
        let row = SessionRow {
            session: Session::try_from(model)?,
            stream_id,
            next_seq,
            last_hash,
            secret_digest,
        };
        working.sessions.load(row.session.key(), row);
    }
    Ok(())
}

pub(super) fn remember_standings(rows: &[QueryResult], working: &mut Working) -> Result<(), Error> {
    for row in rows {
        let key = SessionKey {
            id: SessionId(get(row, "id")?),
            tenant_id: TenantId::stored(&get::<String>(row, "tenant_id")?),
        };
        let standing = Standing {
            status: session_status(get(row, "status")?)?,
            expires_at: get(row, "expires_at")?,
            user_id: get::<Option<String>>(row, "user_id")?.map(Into::into),
        };
        working.standings.insert(key, standing);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sea_orm::ConnectionTrait;
    use uuid::Uuid;

    use super::*;
    use crate::storage::read_tests::on_each_database;

    #[tokio::test]
    async fn sessions_are_found_by_both_parts_of_their_key_whatever_their_number() {
        on_each_database(async |world| {
            let db = &world.storage.db.writer.begin().await.unwrap();
            let is_postgres = db.get_database_backend() == sea_orm::DbBackend::Postgres;
            let conditions = if is_postgres {
                ["(id = ", "(tenant_id = "]
            } else {
                ["id=?", "tenant_id=?"]
            };
            for tail in [&lock(db), &look(db)] {
                for count in (0..13).map(|power| 1 << power) {
                    let keys: Vec<SessionKey> = (0..count)
                        .map(|number| SessionKey {
                            id: SessionId(Uuid::from_u128(number)),
                            tenant_id: TenantId::default_tenant(),
                        })
                        .collect();
                    let plan = rows(&keys).plan(db, tail).await;
                    let by_key = |step: &String| {
                        let is_search = step.contains("Index Cond") || step.contains("SEARCH s ");
                        is_search && conditions.iter().all(|part| step.contains(part))
                    };
                    assert!(plan.iter().any(by_key), "{count}: {tail}: {plan:#?}");
                }
            }
        })
        .await;
    }
}
