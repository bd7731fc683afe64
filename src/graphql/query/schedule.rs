//! Reads of schedules.

use async_graphql::{Context, ID, Object};

use crate::{
    api::ApiError,
    graphql::{
        error::Nullable,
        loading::Caller,
        types::{
            connection::ScheduleConnection,
            ids,
            page::PageArgs,
            schedule::{Schedule, ScheduleFilter},
            total::Total,
        },
    },
};

#[derive(Default)]
pub(super) struct ScheduleQuery;

#[Object]
impl ScheduleQuery {
    /// A schedule; null where it is absent or not the caller's.
    async fn schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The schedule.")] id: ID,
    ) -> Nullable<Schedule> {
        match ids::argument(&id, "id") {
            Ok(id) => Schedule::find(ctx, id).await,
            Err(error) => Some(Err(error)),
        }
    }

    /// The tenant's schedules, newest first.
    async fn schedules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which schedules; all when left out.")] filter: Option<ScheduleFilter>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
    ) -> Result<ScheduleConnection, ApiError> {
        let page = PageArgs::forward(first, after).request()?;
        let filter = filter.unwrap_or_default().read()?;
        let caller = Caller::of(ctx)?;
        let runtime = &caller.services.runtime;
        let page = runtime
            .list_schedules(&caller.scope, &filter, &page)
            .await?;
        Ok(ScheduleConnection::of(page, Total::Schedules(filter)))
    }
}
