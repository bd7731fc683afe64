//! Webhooks, as whoever looks after them and the nodes that deliver to them need them.

use entity::webhook;
use sea_orm::{FromQueryResult, QueryResult};

use super::{
    AdvanceWebhook, ChangeWebhook, Count, CreateWebhook, Error, Page, PageRequest, Storage,
    convert::StoredWebhook,
    node::is_alive,
    read::{Conditions, MOST_COUNTED, finish},
    sql,
    write::HoldWebhooks,
};
use crate::model::{Micros, NodeId, TenantScope, Webhook, WebhookId, WebhookStatus};
use sql::{columns, get};

/// The webhooks that nodes share, and those nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookLoad {
    /// The webhooks that events are delivered to, whoever's they are.
    pub webhooks: usize,
    /// The living nodes that take work.
    pub nodes_at_work: usize,
    /// True if the one that asks is among them.
    pub is_at_work: bool,
}

/// Webhooks to which nothing is delivered though somebody wants it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TroubledWebhooks {
    /// The runtime has given them up.
    pub disabled: usize,
    /// What was not accepted is tried again.
    pub failing: usize,
}

fn webhook_of(row: &QueryResult) -> Result<Webhook, Error> {
    let row = webhook::Model::from_query_result(row, "")?;
    Ok(StoredWebhook::try_from(row)?.webhook)
}

fn wanted(scope: &TenantScope) -> Conditions {
    let mut wanted = Conditions::default();
    wanted.add("w.tenant_id = ?", [scope.tenant().as_str().into()]);
    wanted.add("w.deleted_at IS NULL", []);
    wanted
}

impl Storage {
    /// Makes a webhook.
    ///
    /// # Errors
    /// [`Error::Refused`] when the tenant has too many.
    pub async fn create_webhook(&self, create: CreateWebhook) -> Result<Webhook, Error> {
        let tenant = create.scope.tenant().clone();
        self.writer.offer(tenant, create).await
    }

    /// Changes a webhook; of one that is deleted, as it was.
    ///
    /// # Errors
    /// [`Error::Refused`] when the tenant has no such webhook.
    pub async fn change_webhook(&self, change: ChangeWebhook) -> Result<Webhook, Error> {
        let tenant = change.scope.tenant().clone();
        self.writer.offer(tenant, change).await
    }

    /// Writes down how far the deliveries of a webhook have come; none when it is not this node's any more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn advance_webhook(&self, advance: AdvanceWebhook) -> Result<Option<Webhook>, Error> {
        self.writer.run(advance).await
    }

    /// Webhooks that are due at `now` and that no living node has, whoever's they are: those that are due for longest, up
    /// to `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due_webhooks(&self, now: Micros, limit: usize) -> Result<Vec<WebhookId>, Error> {
        let db = &self.db.reader;
        let backend = db.get_database_backend();
        let text = format!(
            "SELECT w.id FROM webhook w WHERE w.due_at IS NOT NULL AND w.due_at <= $1 AND NOT EXISTS \
             (SELECT 1 FROM node n WHERE n.id = w.held_by AND {}) ORDER BY w.due_at, w.id LIMIT {limit}",
            is_alive(backend, sql::now_expression(backend))
        );
        let rows = sql::query(db, &text, [now.into()]).await?;
        let due = rows.iter();
        due.map(|row| Ok(WebhookId(get(row, "id")?))).collect()
    }

    /// The webhooks of all tenants that are delivered to, and the nodes that share them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn webhook_load(&self, node: NodeId) -> Result<WebhookLoad, Error> {
        let db = &self.db.reader;
        let backend = db.get_database_backend();
        let at_work = format!(
            "FROM node n WHERE {} AND NOT n.draining AND n.drain_requested_at IS NULL",
            is_alive(backend, sql::now_expression(backend))
        );
        let text = format!(
            "SELECT (SELECT COUNT(*) FROM webhook w WHERE w.due_at IS NOT NULL) AS webhooks, \
             (SELECT COUNT(*) {at_work}) AS nodes, (SELECT COUNT(*) {at_work} AND n.id = $1) AS own"
        );
        let rows = sql::query(db, &text, [node.0.into()]).await?;
        let row = rows.first().ok_or(Error::Corrupt {
            what: "load of webhooks",
            source: None,
        })?;
        let count = |name| Ok::<_, Error>(usize::try_from(get::<i64>(row, name)?).unwrap_or(0));
        Ok(WebhookLoad {
            webhooks: count("webhooks")?,
            nodes_at_work: count("nodes")?,
            is_at_work: count("own")? > 0,
        })
    }

    /// Takes webhooks that were seen as due for a node; those among them that no other node has.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hold_webhooks(
        &self,
        seen: Vec<WebhookId>,
        node: NodeId,
        now: Micros,
    ) -> Result<Vec<Webhook>, Error> {
        self.writer.run(HoldWebhooks { seen, node, now }).await
    }

    /// Returns the numbers of webhooks to which nothing is delivered though somebody wants it, whoever's they are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn troubled_webhooks(&self) -> Result<TroubledWebhooks, Error> {
        let text = format!(
            "SELECT w.status, COUNT(*) AS total FROM webhook w WHERE w.deleted_at IS NULL \
             AND (w.status = {} OR (w.status = {} AND w.failures > 0)) GROUP BY w.status",
            WebhookStatus::Disabled.code(),
            WebhookStatus::Active.code()
        );
        let mut troubled = TroubledWebhooks::default();
        for row in sql::query(&self.db.reader, &text, []).await? {
            let total = usize::try_from(get::<i64>(&row, "total")?).unwrap_or_default();
            if get::<i64>(&row, "status")? == WebhookStatus::Disabled.code() {
                troubled.disabled = total;
            } else {
                troubled.failing = total;
            }
        }
        Ok(troubled)
    }

    /// The webhook, if the tenant has it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_webhook(
        &self,
        scope: &TenantScope,
        id: WebhookId,
    ) -> Result<Option<Webhook>, Error> {
        let mut wanted = wanted(scope);
        wanted.add("w.id = ?", [id.0.into()]);
        let text = format!(
            "SELECT {} FROM webhook w {}",
            columns::<webhook::Entity>("w"),
            wanted.clause()
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, wanted.values).await?;
        rows.first().map(webhook_of).transpose()
    }

    /// A page of the tenant's webhooks, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_webhooks(
        &self,
        scope: &TenantScope,
        page: &PageRequest<WebhookId>,
    ) -> Result<Page<WebhookId, Webhook>, Error> {
        let mut wanted = wanted(scope);
        let order = wanted.page("w.id", false, &page.map(|id| id.0));
        let text = format!(
            "SELECT {} FROM webhook w {} {order}",
            columns::<webhook::Entity>("w"),
            wanted.clause()
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, wanted.values).await?;
        let found = rows.iter().map(|row| {
            let found = webhook_of(row)?;
            Ok((found.id, found))
        });
        Ok(finish(found.collect::<Result<_, Error>>()?, page, None))
    }

    /// Returns the number of the tenant's webhooks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_webhooks(&self, scope: &TenantScope) -> Result<Count, Error> {
        let wanted = wanted(scope);
        let text = format!(
            "SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM webhook w {} LIMIT {}) k",
            wanted.clause(),
            MOST_COUNTED + 1
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, wanted.values).await?;
        let total = rows.first().map_or(Ok(0), |row| get(row, "total"))?;
        Ok(Count::of(total, true))
    }
}
