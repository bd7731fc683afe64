//! Reads of artifacts and of their lineage.

use async_graphql::{Context, ID, Object};

use crate::{
    api::ApiError,
    graphql::{
        error::Nullable,
        loading::Caller,
        types::{
            artifact::Artifact,
            connection::ArtifactConnection,
            counted::Listed,
            filter::{ArtifactFilter, ArtifactOrder},
            ids,
            lineage::{Lineage, LineageDirection, LineageFilter, LineageQuestion},
            page::PageArgs,
            total::Total,
        },
    },
};

/// The most roots of one lineage.
const MAX_ROOTS: usize = 100;

#[derive(Default)]
pub(super) struct ArtifactQuery;

#[Object]
impl ArtifactQuery {
    /// An artifact in any state; null where it is absent or not the caller's.
    async fn artifact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The artifact.")] id: ID,
    ) -> Nullable<Artifact> {
        match ids::argument(&id, "id") {
            Ok(id) => Artifact::find(ctx, id).await,
            Err(error) => Some(Err(error)),
        }
    }

    /// The tenant's artifacts.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection")]
    async fn artifacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which artifacts; all when left out.")] filter: Option<ArtifactFilter>,
        #[graphql(desc = "The order; newest first when left out.")] order_by: Option<ArtifactOrder>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items of the page, counted from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ArtifactConnection, ApiError> {
        let page = PageArgs::new(first, after, last, before).request()?;
        let mut filter = filter.unwrap_or_default();
        let eligible_for = filter.eligible_for.take();
        let filter = filter.read(order_by.unwrap_or_default())?;
        let caller = Caller::of(ctx)?;
        let artifacts = &caller.services.artifacts;
        let page = artifacts
            .list(&caller.scope, &filter, eligible_for.as_deref(), &page)
            .await?;
        let total = Total::Artifacts(filter, eligible_for);
        Ok(ArtifactConnection::of(page, total))
    }

    /// Everything that some artifacts descend from or that descends from them, as a flat graph.
    async fn lineage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where the walk begins; at most 100.")] roots: Vec<ID>,
        #[graphql(
            desc = "Which way to walk.",
            default_with = "LineageDirection::Upstream"
        )]
        direction: LineageDirection,
        #[graphql(desc = "How many edges away at most, 0 to 100.", default = 10)] max_depth: i32,
        #[graphql(desc = "How many artifacts at most, 1 to 10,000.", default = 500)] max_nodes: i32,
        #[graphql(desc = "What to leave out.")] filter: Option<LineageFilter>,
    ) -> Result<Lineage, ApiError> {
        let question = LineageQuestion {
            roots: ids::list(&roots, "roots", MAX_ROOTS)?,
            direction,
            max_depth,
            max_nodes,
            filter,
        };
        question.answer(Caller::of(ctx)?).await
    }

    /// A shortest way from one artifact to another along descent, both included; null where there
    /// is none.
    async fn lineage_path(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Where the way begins.")] from: ID,
        #[graphql(desc = "Where it ends.")] to: ID,
    ) -> Nullable<Listed<Artifact>> {
        let way = async {
            let (from, to) = (ids::argument(&from, "from")?, ids::argument(&to, "to")?);
            let caller = Caller::of(ctx)?;
            let artifacts = &caller.services.artifacts;
            let Some(way) = artifacts.path(&caller.scope, from, to).await? else {
                return Ok(None);
            };
            let artifacts = caller.loaders().artifacts.load_many(way).await?;
            Ok(Some(artifacts.into_iter().map(Artifact).collect()))
        };
        way.await.transpose()
    }
}
