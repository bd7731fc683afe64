//! What operators ask of nodes.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationFailure, MutationResult, parts, payload};
use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::{ids, runtime_status::RuntimeNode, user_error::UserError},
    },
    model::NodeId,
};

/// A node that is to take nothing new.
#[derive(InputObject)]
struct DrainNodeInput {
    /// The node, by the id of its present start.
    id: ID,
    /// In so many seconds it hands over what still runs there; 0 to 86400. When left out, what runs may end there,
    /// however long it takes.
    hand_over_after_seconds: Option<i32>,
}

/// A node that is to take work again.
#[derive(InputObject)]
struct UndrainNodeInput {
    /// The node, by the id of its present start.
    id: ID,
}

/// Payloads with a node.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name {
            /// The node; null when there are errors.
            node: Option<RuntimeNode>,
            /// The caller's mistakes; empty when there are none.
            errors: Vec<UserError>,
        }

        impl From<MutationResult<RuntimeNode>> for $name {
            fn from(outcome: MutationResult<RuntimeNode>) -> Self {
                let (node, errors) = parts(outcome);
                Self { node, errors }
            }
        }
    )*};
}

payloads! {
    /// The result of `drainNode`.
    DrainNodePayload;
    /// The result of `undrainNode`.
    UndrainNodePayload;
}

fn node_id(id: &ID) -> Result<NodeId, MutationFailure> {
    Ok(ids::input(id, &["input", "id"])?)
}

#[derive(Default)]
pub(super) struct FleetMutation;

#[Object]
impl FleetMutation {
    /// Asks a node to take no new executions. It answers requests and ends what it runs; what only waits for children it
    /// leaves to other nodes. A node that drains stays so until `undrainNode` or the end of its process. Needs the scope
    /// `runtime:operate`.
    async fn drain_node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The node.")] input: DrainNodeInput,
    ) -> Result<DrainNodePayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, node_id(&input.id)?);
            let seconds = input.hand_over_after_seconds.map(i64::from);
            let node = runtime.drain(&caller.principal, id, seconds).await?;
            Ok(RuntimeNode::of(node, runtime.node_id()))
        };
        payload(caller, change.await)
    }

    /// Lets a node take executions again. Needs the scope `runtime:operate`.
    async fn undrain_node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The node.")] input: UndrainNodeInput,
    ) -> Result<UndrainNodePayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, node_id(&input.id)?);
            let node = runtime.undrain(&caller.principal, id).await?;
            Ok(RuntimeNode::of(node, runtime.node_id()))
        };
        payload(caller, change.await)
    }
}
