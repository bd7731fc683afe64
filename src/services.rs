//! The services that the API layers call, and the plain types that several of them share. No API layer
//! calls the storage itself.

use std::{collections::HashMap, sync::Arc};

use uuid::Uuid;

use crate::{
    api::{ApiError, RequestThreads},
    artifact_registry::ArtifactRegistry,
    auth::{Authenticator, Keys},
    events::Events,
    executions::Executions,
    model::{Action, Budget, TenantScope},
    runtime::Runtime,
    state_surface::{self, StateSurface},
    storage::Storage,
    uploads::Uploads,
};

pub use crate::{
    runtime::Error,
    storage::{Count, Members, MetadataMember, NodeInfo, Page, PageRequest},
};

/// Everything that an API needs. Clones share it.
#[derive(Clone)]
pub struct Services {
    /// Accepts, runs, cancels.
    pub runtime: Runtime,
    /// Executions as they stand.
    pub executions: Executions,
    /// Sessions and state.
    pub state: StateSurface,
    /// Artifacts and lineage.
    pub artifacts: ArtifactRegistry,
    /// The tail of the log.
    pub events: Events,
    /// Large content in and out.
    pub uploads: Uploads,
    /// The budget of the tenants on this node.
    pub budget: Arc<Budget>,
    /// Knows who calls.
    pub authenticator: Authenticator,
    /// Keys of the API.
    pub keys: Arc<Keys>,
    /// The threads on which requests are answered.
    pub threads: RequestThreads,
    /// The database itself, for what looks after the node: probes, tools, tests.
    pub storage: Storage,
}

impl Services {
    /// Returns the number of members that each of several executions, sessions or artifacts has.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_members(
        &self,
        scope: &TenantScope,
        members: Members,
        ids: &[Uuid],
    ) -> Result<HashMap<Uuid, Count>, Error> {
        scope.check(match members {
            Members::ExecutionsOfExecution | Members::ExecutionsOfSession => Action::ReadExecutions,
            Members::ArtifactsOfExecution | Members::RelativesOfArtifact(_) => {
                Action::ReadArtifacts
            }
        })?;
        Ok(self.storage.count_members(scope, members, ids).await?)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => refusal.into(),
            Error::Storage(error) => error.into(),
            Error::Content(error) => error.into(),
            Error::Fingerprint { is_outage, .. } if is_outage => Self::unavailable(&error),
            Error::Fingerprint { .. } => Self::internal(&error),
            Error::ShuttingDown => Self::shutting_down(),
        }
    }
}

impl From<state_surface::Error> for ApiError {
    fn from(error: state_surface::Error) -> Self {
        Error::from(error).into()
    }
}
