//! Schedules: locked to be changed, or counted.

use std::collections::BTreeSet;

use entity::schedule;
use sea_orm::FromQueryResult;

use super::{
    super::{
        super::{Error, convert::StoredSchedule, db::Transaction, sql},
        operation::Needs,
        working::Working,
    },
    rows::lock_clause,
};
use crate::model::{ScheduleId, TenantId};
use sql::{Rows, columns, get};

pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    lock(db, &needs.schedules, working).await?;
    count(db, &needs.schedule_counts, working).await
}

async fn lock(db: &Transaction, ids: &[ScheduleId], working: &mut Working) -> Result<(), Error> {
    let ids: BTreeSet<&ScheduleId> = ids.iter().collect();
    let rows = Rows::column("id", ids.iter().map(|id| id.0));
    let select = format!(
        "SELECT {} FROM x {} schedule s ON s.id = x.id {}",
        columns::<schedule::Entity>("s"),
        sql::join(db),
        lock_clause(db, "ORDER BY s.id FOR UPDATE OF s")
    );
    for row in rows.query(db, &select).await? {
        let row = StoredSchedule::try_from(schedule::Model::from_query_result(&row, "")?)?;
        working.schedules.load(row.schedule.id, row);
    }
    Ok(())
}

async fn count(db: &Transaction, tenants: &[TenantId], working: &mut Working) -> Result<(), Error> {
    let tenants: BTreeSet<&str> = tenants.iter().map(TenantId::as_str).collect();
    let rows = Rows::column("tenant_id", tenants);
    let select = format!(
        "SELECT x.tenant_id, CAST(COUNT(*) AS bigint) AS schedules FROM x {} schedule s \
         ON s.tenant_id = x.tenant_id GROUP BY x.tenant_id",
        sql::join(db)
    );
    for row in rows.query(db, &select).await? {
        let tenant = TenantId::stored(&get::<String>(&row, "tenant_id")?);
        working
            .schedule_counts
            .insert(tenant, get(&row, "schedules")?);
    }
    Ok(())
}
