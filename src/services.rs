//! The services that the API layers call.

use std::sync::Arc;

use crate::{
    api::RequestThreads, artifact_registry::ArtifactRegistry, events::Events, model::Budget,
    runtime::Runtime, state_surface::StateSurface, storage::Storage, uploads::Uploads,
};

/// Everything that an API needs. Clones share it.
#[derive(Clone)]
pub struct Services {
    /// Accepts, runs, cancels.
    pub runtime: Runtime,
    /// Reads.
    pub storage: Storage,
    /// Sessions and state.
    pub state: StateSurface,
    /// Artifacts and lineage.
    pub artifacts: ArtifactRegistry,
    /// The tail of the log.
    pub events: Events,
    /// Large content in and out.
    pub uploads: Uploads,
    /// What tenants may ask of this node.
    pub budget: Arc<Budget>,
    /// The threads on which requests are answered.
    pub threads: RequestThreads,
}
