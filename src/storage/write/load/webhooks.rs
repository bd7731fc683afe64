//! Webhooks: locked to be changed, or counted.

use std::collections::BTreeSet;

use entity::webhook;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{
    super::{
        super::{Error, convert::StoredWebhook, db::Transaction, node::is_alive, sql},
        operation::Needs,
        working::Working,
    },
    limits::lock_numbers,
    rows::lock_clause,
};
use crate::model::{TenantId, WebhookId};
use sql::{Rows, columns, get};

pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    lock(db, &needs.webhooks, working).await?;
    count(db, &needs.webhook_counts, working).await
}

/// Beside each it is told whether the node that holds it lives.
async fn lock(db: &Transaction, ids: &[WebhookId], working: &mut Working) -> Result<(), Error> {
    let ids: BTreeSet<&WebhookId> = ids.iter().collect();
    let rows = Rows::column("id", ids.iter().map(|id| id.0));
    let select = format!(
        "SELECT {}, EXISTS (SELECT 1 FROM node n WHERE n.id = w.held_by AND {}) AS is_held \
         FROM x {} webhook w ON w.id = x.id {}",
        columns::<webhook::Entity>("w"),
        is_alive(db.get_database_backend(), &working.now.to_string()),
        sql::join(db),
        lock_clause(db, "ORDER BY w.id FOR UPDATE OF w")
    );
    for row in rows.query(db, &select).await? {
        let is_held = get(&row, "is_held")?;
        let row = StoredWebhook::try_from(webhook::Model::from_query_result(&row, "")?)?;
        let id = row.webhook.id;
        if is_held {
            working.webhooks_held.insert(id);
        }
        working.webhooks.load(id, row);
    }
    Ok(())
}

async fn count(db: &Transaction, tenants: &[TenantId], working: &mut Working) -> Result<(), Error> {
    let tenants: BTreeSet<&str> = tenants.iter().map(TenantId::as_str).collect();
    lock_numbers(db, ":webhooks", &tenants).await?;
    let rows = Rows::column("tenant_id", tenants);
    let select = format!(
        "SELECT x.tenant_id, CAST(COUNT(*) AS bigint) AS webhooks FROM x {} webhook w \
         ON w.tenant_id = x.tenant_id WHERE w.deleted_at IS NULL GROUP BY x.tenant_id",
        sql::join(db)
    );
    for row in rows.query(db, &select).await? {
        let tenant = TenantId::stored(&get::<String>(&row, "tenant_id")?);
        working
            .webhook_counts
            .insert(tenant, get(&row, "webhooks")?);
    }
    Ok(())
}
