//! The number of items of a whole connection: counted when it is selected, up to a bound.

use async_graphql::{Context, SimpleObject};
use uuid::Uuid;

use super::scalars::int;
use crate::{
    api::ApiError,
    artifact_registry::ArtifactFilter,
    events::WalFilter,
    executions::ExecutionFilter,
    graphql::loading::Caller,
    runtime::ScheduleFilter,
    services::{Count, Members},
    state_surface::SessionFilter,
};

/// The number of items, as far as they were counted: to 10,000, and among the first 20,000 of the
/// list where no index answers its filter (10,000 where it looks into metadata or names).
#[derive(SimpleObject)]
pub(crate) struct TotalCount {
    /// The items that were counted, at most 10,000.
    count: i32,
    /// True if there are no more than that.
    exact: bool,
}

impl From<Count> for TotalCount {
    fn from(count: Count) -> Self {
        Self {
            count: int(count.count),
            exact: count.exact,
        }
    }
}

/// The list that a connection is a page of.
#[derive(Debug)]
pub(crate) enum Total {
    /// A list whose length is known.
    Known(Count),
    /// The executions that fit.
    Executions(ExecutionFilter),
    /// The sessions that fit.
    Sessions(SessionFilter),
    /// The artifacts that fit; with an intent type, those that it takes.
    Artifacts(ArtifactFilter, Option<String>),
    /// The entries of the log that fit.
    WalEntries(WalFilter),
    /// The tenant's keys.
    ApiKeys,
    /// The schedules that fit.
    Schedules(ScheduleFilter),
    /// The bulk operations that the caller may read.
    Operations,
    /// The webhooks of the tenant.
    Webhooks,
    /// The records that belong to another one.
    Members(Members, Uuid),
}

impl Total {
    /// Counts the items, up to the bound.
    pub(crate) async fn count(&self, ctx: &Context<'_>) -> Result<TotalCount, ApiError> {
        let caller = Caller::of(ctx)?;
        let (services, scope) = (&caller.services, &caller.scope);
        let count = match self {
            Self::Known(count) => *count,
            Self::Executions(filter) => services.executions.count(scope, filter).await?,
            Self::Sessions(filter) => services.state.count_sessions(scope, filter).await?,
            Self::Artifacts(filter, eligible_for) => {
                let artifacts = &caller.services.artifacts;
                artifacts
                    .count(scope, filter, eligible_for.as_deref())
                    .await?
            }
            Self::WalEntries(filter) => services.events.count_log(scope, filter).await?,
            Self::ApiKeys => services.keys.count(&caller.principal).await?,
            Self::Schedules(filter) => services.runtime.count_schedules(scope, filter).await?,
            Self::Operations => services.runtime.count_operations(scope).await?,
            Self::Webhooks => services.runtime.count_webhooks(scope).await?,
            Self::Members(members, id) => {
                let counts = &caller.loaders().member_counts;
                counts.load((*members, *id)).await?.unwrap_or(Count::NONE)
            }
        };
        Ok(count.into())
    }
}
