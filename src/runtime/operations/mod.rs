//! Bulk operations: begun, read and stopped by whoever may change one of the things, and carried out by the engine
//! (`engine/operations.rs`).

mod wanted;

use std::sync::Arc;

use super::{Error, Runtime};
use crate::{
    model::{
        Artifact, BulkOperation, Execution, Grants, OperationCounts, OperationId, OperationKind,
        OperationStatus, Principal, Reach, Refusal, TenantScope, is_prose,
    },
    storage::{CancelOperation, Count, CreateOperation, OperationFilter, Page, PageRequest},
};

pub use wanted::Wanted;

/// The most bulk operations of a tenant that go on at the same time.
const MOST_RUNNING: i64 = 10;
/// The things that a dry run shows.
const MOST_SHOWN: u32 = 20;
/// Characters of a reason; the id of the operation is put behind it.
const MOST_REASON_CHARS: usize = 900;

/// A bulk operation that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOperation {
    /// The change.
    pub kind: OperationKind,
    /// What is changed.
    pub wanted: Wanted,
    /// True if everything is meant where nothing is said of what is changed.
    pub is_everything: bool,
    /// The reason.
    pub reason: Option<String>,
    /// True if it is only to be told what would be changed.
    pub dry_run: bool,
}

/// A bulk operation, or what one would change.
#[derive(Debug, Clone, PartialEq)]
pub enum Begun {
    /// It goes on.
    Operation(Box<BulkOperation>),
    /// Nothing was changed.
    Preview(OperationPreview),
}

/// What a bulk operation would change.
#[derive(Debug, Clone, PartialEq)]
pub struct OperationPreview {
    /// The number of things.
    pub count: Count,
    /// The first ones.
    pub first: Previewed,
}

/// The first things that a bulk operation would change, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub enum Previewed {
    /// Executions.
    Executions(Vec<Execution>),
    /// Artifacts.
    Artifacts(Vec<Artifact>),
}

/// The kinds of bulk operations that somebody may look at, by how far they may do something with what is changed.
fn among(
    reach_of: impl Fn(OperationKind) -> Result<Reach, Refusal>,
) -> Result<OperationFilter, Refusal> {
    let mut kinds = Vec::new();
    let mut refused = None;
    for kind in OperationKind::ALL {
        match reach_of(kind) {
            Ok(Reach::Tenant) => kinds.push((kind, None)),
            Ok(Reach::User(user)) => kinds.push((kind, Some(user.to_string()))),
            // Whose own is a session's, or an execution's, begins none.
            Ok(Reach::Session(_) | Reach::Executions(_)) => {}
            Err(refusal) => refused = refused.or(Some(refusal)),
        }
    }
    match refused {
        Some(refusal) if kinds.is_empty() => Err(refusal),
        _ => Ok(OperationFilter { kinds }),
    }
}

impl Runtime {
    /// Begins a bulk operation, or tells what it would change. It acts for whoever asks, with the permissions that
    /// they have now.
    ///
    /// # Errors
    /// [`Error::Refused`] when nothing is said of what is changed, or too many go on.
    pub async fn begin_operation(
        &self,
        principal: &Principal,
        new: NewOperation,
    ) -> Result<Begun, Error> {
        let (engine, kind) = (&self.0, new.kind);
        let (changes, reads) = (
            principal.check(kind.changes())?,
            principal.check(kind.reads())?,
        );
        // A filter asks about what it goes through.
        if reads != Reach::Tenant && reads != changes {
            return Err(Refusal::lacking(kind.reads()).into());
        }
        if principal.is_handed_out() {
            let message =
                "a bulk operation outlives a token of minutes: it is begun by a key or by a user";
            return Err(Refusal::invalid([], message).into());
        }
        let reason = new.reason.as_deref();
        if reason.is_some_and(|reason| !is_prose(reason, MOST_REASON_CHARS)) {
            let message = "a reason has at most 900 characters, none of them a control character";
            return Err(Refusal::invalid(["reason"], message).into());
        }
        if new.wanted.is_everything() != new.is_everything {
            let message = if new.is_everything {
                "either a filter says what is changed, or `all: true` does"
            } else {
                "a filter that says nothing fits everything: if that is meant, say `all: true`"
            };
            return Err(Refusal::invalid(["filter"], message).into());
        }
        let wanted = new.wanted.fitted(kind, engine)?;
        let scope = principal.scope();
        let count = wanted.count(engine, &scope, kind).await?;
        if new.dry_run {
            let first = self.preview(&scope, kind, &wanted).await?;
            return Ok(Begun::Preview(OperationPreview { count, first }));
        }
        engine.refuse_while_draining()?;
        engine
            .refuse_beside_other_versions("bulk operations begin")
            .await?;
        let filter = wanted.to_json();
        let filter = filter
            .map_err(|_| Refusal::invalid(["filter"], "the filter cannot be written down"))?;
        let operation = BulkOperation {
            id: engine.ids.operation(),
            tenant_id: principal.tenant().clone(),
            kind,
            filter,
            reason: new.reason,
            created_by: principal.actor().to_string(),
            grants: Grants::clone(principal.grants()),
            status: OperationStatus::Running,
            expected: count.count.into(),
            expected_exact: count.exact,
            position: None,
            batch: Vec::new(),
            is_walked: false,
            counts: OperationCounts::default(),
            refusals: Vec::new(),
            error: None,
            due_at: Some(engine.clock.now()),
            failing_since: None,
            version: 1,
            next_seq: 1,
            created_at: 0,
            updated_at: 0,
            finished_at: None,
        };
        let create = CreateOperation {
            scope,
            actor: Arc::clone(principal.actor()),
            operation,
            most: MOST_RUNNING,
        };
        let begun = engine.storage.create_operation(create).await?;
        engine.operations_begun.notify_one();
        Ok(Begun::Operation(Box::new(begun)))
    }

    async fn preview(
        &self,
        scope: &TenantScope,
        kind: OperationKind,
        wanted: &Wanted,
    ) -> Result<Previewed, Error> {
        let (engine, action) = (&self.0, kind.changes());
        Ok(match wanted {
            Wanted::Executions(filter) => {
                let page = PageRequest::first(MOST_SHOWN);
                let found = engine.executions.list_for(scope, action, filter, &page);
                let items = found.await?.items.into_iter();
                Previewed::Executions(items.map(|(_, execution)| execution).collect())
            }
            Wanted::Artifacts(filter, _) => {
                let page = PageRequest::first(MOST_SHOWN);
                let found = engine.artifacts.list_for(scope, action, filter, &page);
                let items = found.await?.items.into_iter();
                Previewed::Artifacts(items.map(|(_, artifact)| artifact).collect())
            }
        })
    }

    /// A bulk operation that whoever asks may read: of the tenant's, or of their own, as far as they may read what it
    /// changes.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_operation(
        &self,
        scope: &TenantScope,
        id: OperationId,
    ) -> Result<Option<BulkOperation>, Error> {
        let among = among(|kind| scope.check(kind.reads()))?;
        Ok(self.0.storage.find_operation(scope, &among, id).await?)
    }

    /// A page of the bulk operations that whoever asks may read, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_operations(
        &self,
        scope: &TenantScope,
        page: &PageRequest<OperationId>,
    ) -> Result<Page<OperationId, BulkOperation>, Error> {
        let among = among(|kind| scope.check(kind.reads()))?;
        Ok(self.0.storage.list_operations(scope, &among, page).await?)
    }

    /// Returns the number of bulk operations that [`Self::list_operations`] goes through.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_operations(&self, scope: &TenantScope) -> Result<Count, Error> {
        let among = among(|kind| scope.check(kind.reads()))?;
        Ok(self.0.storage.count_operations(scope, &among).await?)
    }

    /// Stops a bulk operation: what it has changed stays so, and of the batch under way the node that works on it still
    /// changes the rest, unless it dies or some of them have to wait: these are left alone. One that has ended stays as it
    /// is.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent, or not the caller's to stop.
    pub async fn cancel_operation(
        &self,
        principal: &Principal,
        id: OperationId,
        reason: Option<String>,
    ) -> Result<BulkOperation, Error> {
        let among = among(|kind| principal.check(kind.changes()))?;
        if reason
            .as_deref()
            .is_some_and(|it| !is_prose(it, MOST_REASON_CHARS))
        {
            let message = "a reason has at most 900 characters, none of them a control character";
            return Err(Refusal::invalid(["reason"], message).into());
        }
        let (storage, scope) = (&self.0.storage, principal.scope());
        let found = storage.find_operation(&scope, &among, id).await?;
        found.ok_or_else(|| Refusal::not_found("operation", "id"))?;
        let cancel = CancelOperation {
            scope,
            actor: Arc::clone(principal.actor()),
            id,
            reason,
        };
        Ok(storage.cancel_operation(cancel).await?)
    }
}
