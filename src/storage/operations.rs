//! Bulk operations, as whoever looks after them and the nodes that go on with them need them.

use entity::operation;
use sea_orm::{FromQueryResult, QueryResult};

use super::{
    AdvanceOperation, CancelOperation, Count, CreateOperation, Error, Page, PageRequest, Storage,
    convert::StoredOperation,
    read::{Conditions, MOST_COUNTED, finish},
    sql,
    write::HoldOperations,
};
use crate::model::{BulkOperation, Micros, OperationId, OperationKind, TenantScope};
use sql::{columns, get};

/// The bulk operations that somebody may read: those of each kind that is there; all of the tenant's, or theirs alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationFilter {
    /// The kinds, each with the name of who must have asked, if that matters.
    pub kinds: Vec<(OperationKind, Option<String>)>,
}

fn operation_of(row: &QueryResult) -> Result<BulkOperation, Error> {
    let row = operation::Model::from_query_result(row, "")?;
    Ok(StoredOperation::try_from(row)?.operation)
}

impl Storage {
    /// Begins a bulk operation.
    ///
    /// # Errors
    /// [`Error::Refused`] when too many go on for the tenant.
    pub async fn create_operation(&self, create: CreateOperation) -> Result<BulkOperation, Error> {
        let tenant = create.scope.tenant().clone();
        self.writer.offer(tenant, create).await
    }

    /// Stops a bulk operation.
    ///
    /// # Errors
    /// [`Error::Refused`] when the tenant has no such operation.
    pub async fn cancel_operation(&self, cancel: CancelOperation) -> Result<BulkOperation, Error> {
        let tenant = cancel.scope.tenant().clone();
        self.writer.offer(tenant, cancel).await
    }

    /// Writes down how far a bulk operation has come; none when it is not this node's any more.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn advance_operation(
        &self,
        advance: AdvanceOperation,
    ) -> Result<Option<BulkOperation>, Error> {
        self.writer.run(advance).await
    }

    /// Bulk operations that are due at `now`, whoever's they are, with their versions: those that are due for longest,
    /// up to `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due_operations(
        &self,
        now: Micros,
        limit: u32,
    ) -> Result<Vec<(OperationId, i64)>, Error> {
        let text = format!(
            "SELECT o.id, o.version FROM operation o WHERE o.due_at IS NOT NULL AND o.due_at <= $1 \
             ORDER BY o.due_at, o.id LIMIT {limit}"
        );
        let rows = sql::query(&self.db.reader, &text, [now.into()]).await?;
        let due = rows.iter();
        due.map(|row| Ok((OperationId(get(row, "id")?), get(row, "version")?)))
            .collect()
    }

    /// Holds bulk operations that were seen as due until a time; those among them that nobody else holds.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn hold_operations(
        &self,
        seen: Vec<(OperationId, i64)>,
        until: Micros,
    ) -> Result<Vec<BulkOperation>, Error> {
        self.writer.run(HoldOperations { seen, until }).await
    }

    /// The bulk operation, if it is among those.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_operation(
        &self,
        scope: &TenantScope,
        among: &OperationFilter,
        id: OperationId,
    ) -> Result<Option<BulkOperation>, Error> {
        let mut wanted = wanted(scope, among);
        wanted.add("o.id = ?", [id.0.into()]);
        let text = format!(
            "SELECT {} FROM operation o {}",
            columns::<operation::Entity>("o"),
            wanted.clause()
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, wanted.values).await?;
        rows.first().map(operation_of).transpose()
    }

    /// A page of those bulk operations, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_operations(
        &self,
        scope: &TenantScope,
        among: &OperationFilter,
        page: &PageRequest<OperationId>,
    ) -> Result<Page<OperationId, BulkOperation>, Error> {
        let mut wanted = wanted(scope, among);
        let order = wanted.page("o.id", false, &page.map(|id| id.0));
        let text = format!(
            "SELECT {} FROM operation o {} {order}",
            columns::<operation::Entity>("o"),
            wanted.clause()
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, wanted.values).await?;
        let found = rows.iter().map(|row| {
            let found = operation_of(row)?;
            Ok((found.id, found))
        });
        Ok(finish(found.collect::<Result<_, Error>>()?, page, None))
    }

    /// Returns the number of bulk operations that [`Self::list_operations`] goes through.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_operations(
        &self,
        scope: &TenantScope,
        among: &OperationFilter,
    ) -> Result<Count, Error> {
        let wanted = wanted(scope, among);
        let text = format!(
            "SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM operation o {} LIMIT {}) k",
            wanted.clause(),
            MOST_COUNTED + 1
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, wanted.values).await?;
        let total = rows.first().map_or(Ok(0), |row| get(row, "total"))?;
        Ok(Count::of(total, true))
    }
}

fn wanted(scope: &TenantScope, among: &OperationFilter) -> Conditions {
    let mut wanted = Conditions::default();
    wanted.add("o.tenant_id = ?", [scope.tenant().as_str().into()]);
    let (mut any, mut names) = (vec!["1 = 0".to_owned()], Vec::new());
    for (kind, name) in &among.kinds {
        let kind = kind.code();
        any.push(match name {
            None => format!("o.kind = {kind}"),
            Some(name) => {
                names.push(name.as_str().into());
                format!("o.kind = {kind} AND o.created_by = ?")
            }
        });
    }
    wanted.add(&format!("({})", any.join(" OR ")), names);
    wanted
}
