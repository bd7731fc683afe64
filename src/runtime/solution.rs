//! Solutions: the unit in which teams bring their intents to a server.

use super::{catalog::RegistrationError, limits::Limits, registry::IntentRegistry};
use crate::{
    artifact_registry::ArtifactRegistry,
    clock::Clock,
    content::ContentStore,
    model::{Action, Reach, TenantScope, Upload, UploadId},
    storage::{Error, Storage},
};

/// The public works that a solution may build its handlers with.
#[derive(Clone)]
pub struct Works {
    /// Content by digest.
    pub content: ContentStore,
    /// Time.
    pub clock: Clock,
    /// Artifacts, to be read.
    pub artifacts: ArtifactRegistry,
    /// The published limits.
    pub limits: Limits,
    pub(crate) storage: Storage,
}

impl Works {
    /// An announced upload that whoever asks may have made: of their own, or of the tenant's.
    ///
    /// # Errors
    /// When they may make none; when the database does not answer.
    pub async fn find_upload(
        &self,
        scope: &TenantScope,
        id: UploadId,
    ) -> Result<Option<Upload>, Error> {
        let reach = scope.check(Action::WriteArtifacts)?;
        let found = self.storage.find_upload(scope, id).await?;
        let Some(upload) = found else {
            return Ok(None);
        };
        let of = upload.reach.as_deref();
        if reach.is_whole() || of == Some(&*reach.to_string()) {
            return Ok(Some(upload));
        }
        // One that was made for a session is that of its user, once there is one.
        let is_own = match of.and_then(Reach::session_named) {
            Some(session) => self.storage.reaches_session(scope, &reach, session).await?,
            None => false,
        };
        Ok(is_own.then_some(upload))
    }
}

/// A set of intents with their handlers.
pub trait Solution: Send + Sync + 'static {
    /// Registers the handlers, at boot.
    ///
    /// # Errors
    /// When a pair of intent type and handler name is taken, or a schema is not one.
    fn register(
        &self,
        registry: &mut IntentRegistry,
        works: &Works,
    ) -> Result<(), RegistrationError>;
}
