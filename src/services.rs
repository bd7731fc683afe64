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
    model::{Action, ArtifactId, Budget, ExecutionId, SessionId, TenantScope},
    runtime::Runtime,
    state_surface::{self, StateSurface},
    storage::Storage,
    uploads::Uploads,
};

pub use crate::{
    runtime::Error,
    storage::{Count, Members, MetadataMember, NodeInfo, Page, PageRequest},
};

/// Among so many relatives of an artifact those are counted that whoever asks may read.
const MOST_OWN_RELATIVES: u32 = 1000;

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
        let reach = scope.check(match members {
            Members::ExecutionsOfExecution | Members::ExecutionsOfSession => Action::ReadExecutions,
            Members::ArtifactsOfExecution | Members::RelativesOfArtifact(_) => {
                Action::ReadArtifacts
            }
        })?;
        if reach.is_whole() {
            return Ok(self.storage.count_members(scope, members, ids).await?);
        }
        let storage = &self.storage;
        let ids = match members {
            Members::ExecutionsOfSession => {
                let wanted: Vec<_> = ids.iter().copied().map(SessionId).collect();
                let found = storage.find_sessions(scope, &wanted).await?;
                let reached = storage.reached_sessions(&reach, found).into_iter();
                reached.map(|it| it.id.0).collect()
            }
            Members::ExecutionsOfExecution | Members::ArtifactsOfExecution => {
                let wanted: Vec<_> = ids.iter().copied().map(ExecutionId).collect();
                let reached = storage.reached_execution_ids(scope, &reach, &wanted);
                reached
                    .await?
                    .into_iter()
                    .map(|id| id.0)
                    .collect::<Vec<_>>()
            }
            Members::RelativesOfArtifact(relation) => {
                let wanted: Vec<_> = ids.iter().copied().map(ArtifactId).collect();
                let relatives = self.artifacts.list_first_relatives(
                    scope,
                    &wanted,
                    relation,
                    MOST_OWN_RELATIVES + 1,
                );
                let counted = relatives.await?.into_iter().map(|(id, relatives)| {
                    let total = i64::try_from(relatives.len()).unwrap_or(i64::MAX);
                    let is_whole = total <= i64::from(MOST_OWN_RELATIVES);
                    (
                        id.0,
                        Count::of(total.min(i64::from(MOST_OWN_RELATIVES)), is_whole),
                    )
                });
                return Ok(counted.collect());
            }
        };
        Ok(storage.count_members(scope, members, &ids).await?)
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
