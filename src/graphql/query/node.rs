//! Anything by its id, and who asks.

use async_graphql::{Context, ID, Object};
use futures::future::join_all;

use crate::{
    api::ApiError,
    graphql::{
        error::Nullable,
        loading::Caller,
        types::{
            counted::Listed,
            node::{Node, NodeId},
            viewer::Viewer,
        },
    },
};

/// The most ids of one `nodes`.
const MAX_IDS: usize = 100;

#[derive(Default)]
pub(super) struct NodeQuery;

#[Object]
impl NodeQuery {
    /// Anything by its id; null where it is absent or not the caller's.
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An id with its prefix.")] id: ID,
    ) -> Nullable<Node> {
        let node = async { NodeId::parse(&id, "id")?.load(Caller::of(ctx)?).await };
        node.await.transpose()
    }

    /// Several at once, in the order of the ids; null where one is absent or not the caller's.
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most 100 ids with their prefixes.")] ids: Vec<ID>,
    ) -> Result<Listed<Nullable<Node>>, ApiError> {
        if ids.len() > MAX_IDS {
            return Err(ApiError::bad_input(format!(
                "ids: at most {MAX_IDS} ids are allowed"
            )));
        }
        let caller = Caller::of(ctx)?;
        let ids: Result<Vec<_>, _> = ids.iter().map(|id| NodeId::parse(id, "ids")).collect();
        let loads = ids?.into_iter().map(|id| id.load(caller));
        let nodes = join_all(loads).await;
        Ok(nodes.into_iter().map(Result::transpose).collect())
    }

    /// The caller, as the server identified it.
    #[expect(clippy::unused_async, reason = "resolvers are asynchronous")]
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer, ApiError> {
        Ok((&Caller::of(ctx)?.principal).into())
    }
}
