//! Records that can be fetched by their id alone.

use async_graphql::{ID, Interface};

use super::{artifact::Artifact, execution::Execution, ids, intent::Intent, session::Session};
use crate::{
    api::ApiError,
    graphql::loading::Caller,
    model::{ArtifactId, EventId, ExecutionId, IntentId, MaterializationId, SessionId, UploadId},
};

/// A record that can be fetched by its id.
#[derive(Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "Opaque id; its prefix says what it names."
))]
pub(crate) enum Node {
    Intent(Intent),
    Execution(Execution),
    Session(Session),
    Artifact(Artifact),
}

/// An id whose kind is known from its prefix.
pub(crate) enum NodeId {
    Intent(IntentId),
    Execution(ExecutionId),
    Session(SessionId),
    Artifact(ArtifactId),
    /// Names something that is no node.
    Other,
}

impl NodeId {
    /// The id of argument `name`. A bare UUID does not say what it names and is refused.
    pub(crate) fn parse(id: &ID, name: &str) -> Result<Self, ApiError> {
        let kind = id.split_once('_').map(|(prefix, _)| prefix);
        Ok(match kind {
            Some(IntentId::PREFIX) => Self::Intent(ids::argument(id, name)?),
            Some(ExecutionId::PREFIX) => Self::Execution(ids::argument(id, name)?),
            Some(SessionId::PREFIX) => Self::Session(ids::argument(id, name)?),
            Some(ArtifactId::PREFIX) => Self::Artifact(ids::argument(id, name)?),
            Some(EventId::PREFIX) => other(ids::argument::<EventId>(id, name)?),
            Some(MaterializationId::PREFIX) => other(ids::argument::<MaterializationId>(id, name)?),
            Some(UploadId::PREFIX) => other(ids::argument::<UploadId>(id, name)?),
            _ => {
                return Err(ApiError::bad_input(format!(
                    "{name}: expected an id that begins with int_, exe_, ses_ or art_"
                )));
            }
        })
    }

    /// The node; none where it is absent or not the caller's.
    pub(crate) async fn load(self, caller: &Caller) -> Result<Option<Node>, ApiError> {
        let loaders = caller.loaders();
        Ok(match self {
            // An intent has the UUID of the first execution it led to.
            Self::Intent(IntentId(uuid)) => {
                let execution = loaders.executions.load(ExecutionId(uuid)).await?;
                execution.map(|it| Node::Intent(Intent(it)))
            }
            Self::Execution(id) => {
                let execution = loaders.executions.load(id).await?;
                execution.map(|it| Node::Execution(Execution(it)))
            }
            Self::Session(id) => {
                let session = loaders.sessions.load(id).await?;
                session.map(|it| Node::Session(Session(it)))
            }
            Self::Artifact(id) => {
                let artifact = loaders.artifacts.load(id).await?;
                artifact.map(|it| Node::Artifact(Artifact(it)))
            }
            Self::Other => None,
        })
    }
}

/// A well-formed id of something that is not a node.
fn other<T>(_id: T) -> NodeId {
    NodeId::Other
}
