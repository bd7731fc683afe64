//! Artifacts as a handler sees them. What it registers or changes becomes durable together with
//! its completed execution, or not at all.

use futures::Stream;
use serde::Serialize;

use super::{attempt::Attempt, handler_error::HandlerError, mutex::lock};
use crate::{
    content::{self, ContentStream, Digest, Expected, LineWindow, Packed, Stored},
    model::{
        Action, Artifact, ArtifactId, ArtifactState, Materialization, NewArtifact,
        NewMaterialization, RawJson, Reach, Refusal, TransitionRequest,
    },
};

/// An artifact as the handler that made it describes it.
#[derive(Debug, Clone)]
pub struct ArtifactDraft {
    name: String,
    artifact_type: String,
    state: ArtifactState,
    semantic_descriptor: RawJson,
    parents: Vec<ArtifactId>,
    materializations: Vec<NewMaterialization>,
    display_name: Option<String>,
    owner: Option<String>,
    purpose: Option<String>,
}

impl ArtifactDraft {
    /// A READY artifact without parents or content. `name` tells it from the other artifacts of the
    /// same execution; the id is derived from it, so that a repetition yields the same id.
    #[must_use]
    pub fn new(name: &str, artifact_type: &str) -> Self {
        Self {
            name: name.to_owned(),
            artifact_type: artifact_type.to_owned(),
            state: ArtifactState::Ready,
            semantic_descriptor: RawJson::empty_object(),
            parents: Vec::new(),
            materializations: Vec::new(),
            display_name: None,
            owner: None,
            purpose: None,
        }
    }

    /// Registered as PENDING: something else makes it READY.
    #[must_use]
    pub fn pending(mut self) -> Self {
        self.state = ArtifactState::Pending;
        self
    }

    /// Its meaning, as a JSON object.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn descriptor<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Self, HandlerError> {
        self.semantic_descriptor = RawJson::of(value)?;
        Ok(self)
    }

    /// An artifact it was made from.
    #[must_use]
    pub fn parent(mut self, parent: ArtifactId) -> Self {
        self.parents.push(parent);
        self
    }

    /// A name for people.
    #[must_use]
    pub fn display_name(mut self, name: &str) -> Self {
        self.display_name = Some(name.to_owned());
        self
    }

    /// Who it belongs to.
    #[must_use]
    pub fn owner(mut self, owner: &str) -> Self {
        self.owner = Some(owner.to_owned());
        self
    }

    /// Sets its purpose.
    #[must_use]
    pub fn purpose(mut self, purpose: &str) -> Self {
        self.purpose = Some(purpose.to_owned());
        self
    }

    /// Content that is in the content store.
    #[must_use]
    pub fn stored(mut self, content: &Stored, format: &str) -> Self {
        self.materializations.push(NewMaterialization {
            storage_type: "content".to_owned(),
            uri: format!("content:{}", content.digest),
            format: format.to_owned(),
            compression: None,
            size_bytes: i64::try_from(content.size_bytes).unwrap_or(i64::MAX),
            digest: content.digest.to_string(),
        });
        self
    }
}

/// The artifact registry, for one attempt.
pub struct ArtifactHandle<'a>(pub(super) &'a Attempt);

impl ArtifactHandle<'_> {
    /// The id that an artifact of this name has, registered or not.
    #[must_use]
    pub fn id_of(&self, name: &str) -> ArtifactId {
        let tenant = self.0.execution.intent.tenant_id.as_str();
        ArtifactId::derived(tenant, &self.0.artifact_source, name)
    }

    /// Registers an artifact when the execution completes; its id. Faults of the draft are reported
    /// when the execution completes: it then fails.
    ///
    /// # Errors
    /// When the descriptor is too large or the name was used before.
    pub fn register(&self, draft: ArtifactDraft) -> Result<ArtifactId, HandlerError> {
        self.0.take_name("artifact", &draft.name)?;
        self.0
            .handles
            .limits
            .check_descriptor(draft.semantic_descriptor.as_str().len())?;
        let id = self.id_of(&draft.name);
        lock(&self.0.artifacts).push(NewArtifact {
            id,
            artifact_type: draft.artifact_type,
            state: draft.state,
            semantic_descriptor: draft.semantic_descriptor,
            parents: draft.parents,
            materializations: draft.materializations,
            display_name: draft.display_name,
            owner: draft.owner,
            purpose: draft.purpose,
        });
        Ok(id)
    }

    /// Changes an artifact's state when the execution completes.
    pub fn transition(&self, artifact_id: ArtifactId, to: ArtifactState, reason: Option<String>) {
        let actor = self.0.principal.actor().to_string();
        lock(&self.0.transitions).push(TransitionRequest {
            artifact_id,
            to,
            actor,
            reason,
        });
    }

    /// An artifact in whatever state; none when it is absent, not the tenant's, or beyond the reach of whoever
    /// submitted the intent.
    ///
    /// # Errors
    /// When whoever submitted the intent may read none; when the database is away.
    pub async fn find(&self, id: ArtifactId) -> Result<Option<Artifact>, HandlerError> {
        let scope = self.0.principal.scope();
        let reach = scope.check(Action::ReadArtifacts)?;
        let storage = self.0.storage();
        let found = storage.find_artifacts(&scope, &[id]).await?;
        let reached = storage.reached_artifacts(&scope, &reach, found).await?;
        Ok(reached.into_iter().next())
    }

    /// The stored forms of an artifact.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn materializations(
        &self,
        id: ArtifactId,
    ) -> Result<Vec<Materialization>, HandlerError> {
        let scope = self.0.principal.scope();
        let reach = scope.check(Action::ReadArtifacts)?;
        let storage = self.0.storage();
        let reached = storage.reached_artifact_ids(&scope, &reach, &[id]).await?;
        let mut found = storage.find_materializations(&scope, &reached).await?;
        Ok(found.remove(&id).unwrap_or_default())
    }

    /// The bytes of a stored form.
    ///
    /// # Errors
    /// `POLICY_DENIED` when a policy denies it; when it is not in the content store, or damaged there.
    pub async fn read(&self, form: &Materialization) -> Result<bytes::Bytes, HandlerError> {
        self.0.decide_read(form).await?;
        let digest = digest_of(form)?;
        let scope = self.0.principal.scope();
        Ok(self.0.handles.content.get(&scope, &digest).await?)
    }

    /// The bytes of a stored form as they come, for content too large to hold. The last part is held
    /// back until the digest fits.
    ///
    /// # Errors
    /// As [`read`](Self::read); the stream's own when it breaks off.
    pub async fn read_stream(&self, form: &Materialization) -> Result<ContentStream, HandlerError> {
        self.0.decide_read(form).await?;
        let digest = digest_of(form)?;
        let scope = self.0.principal.scope();
        let content = &self.0.handles.content;
        Ok(content.get_verified_stream(&scope, &digest).await?.1)
    }

    /// Some lines of a stored form, each with its line break, without reading the rest.
    ///
    /// # Errors
    /// As [`read`](Self::read); `RESULT_TOO_LARGE` when they have more than the window's bytes.
    pub async fn read_lines(
        &self,
        form: &Materialization,
        window: LineWindow,
    ) -> Result<Vec<u8>, HandlerError> {
        self.0.decide_read(form).await?;
        let digest = digest_of(form)?;
        let scope = self.0.principal.scope();
        match self.0.handles.content.lines(&scope, &digest, window).await {
            Err(content::Error::TooLarge { limit_bytes }) => {
                let message = format!("these lines have more than {limit_bytes} bytes");
                Err(HandlerError::fatal("RESULT_TOO_LARGE", message))
            }
            lines => Ok(lines?),
        }
    }

    /// Puts packed content into the content store.
    ///
    /// # Errors
    /// When the content store is away.
    pub async fn store_packed(&self, packed: Packed) -> Result<Stored, HandlerError> {
        let scope = self.0.principal.scope();
        Ok(self.0.handles.content.put_packed(&scope, packed).await?)
    }

    /// Puts what a stream brings into the content store, or nothing: at most `max_bytes`.
    ///
    /// # Errors
    /// When there are more, the stream breaks off, or the content store is away.
    pub async fn store_stream<S, E>(
        &self,
        stream: S,
        max_bytes: u64,
    ) -> Result<Stored, HandlerError>
    where
        S: Stream<Item = Result<bytes::Bytes, E>> + Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let scope = self.0.principal.scope();
        let expected = Expected {
            max_bytes,
            ..Expected::default()
        };
        let stored = self.0.handles.content.put_stream(&scope, stream, expected);
        match stored.await {
            Err(content::Error::TooLarge { limit_bytes }) => {
                let message = format!("the content has more than {limit_bytes} bytes");
                Err(HandlerError::fatal("CONTENT_TOO_LARGE", message))
            }
            stored => Ok(stored?),
        }
    }

    /// Puts bytes into the content store.
    ///
    /// # Errors
    /// When the content store is away.
    pub async fn store(&self, bytes: bytes::Bytes) -> Result<Stored, HandlerError> {
        let scope = self.0.principal.scope();
        Ok(self.0.handles.content.put(&scope, bytes).await?)
    }
}

impl Attempt {
    /// Refuses artifacts of others that were named as parents, or to be changed, and that whoever submitted the
    /// intent may not read or change.
    pub(super) async fn check_named_artifacts(&self) -> Result<(), HandlerError> {
        let (mut parents, mut changed) = (Vec::new(), Vec::new());
        {
            let made = lock(&self.artifacts);
            let is_made = |id: &ArtifactId| made.iter().any(|new| new.id == *id);
            parents.extend(made.iter().flat_map(|new| new.parents.clone()));
            changed.extend(lock(&self.transitions).iter().map(|it| it.artifact_id));
            parents.retain(|id| !is_made(id));
            changed.retain(|id| !is_made(id));
        }
        let scope = self.principal.scope();
        if scope.confined_to().is_some() && !parents.is_empty() {
            let reach = scope.check(Action::ReadArtifacts)?;
            self.check_reached(&reach, parents, "parent artifact")
                .await?;
        }
        if !changed.is_empty() {
            let reach = scope.check(Action::WriteArtifacts)?;
            self.check_reached(&reach, changed, "artifact").await?;
        }
        Ok(())
    }

    async fn check_reached(
        &self,
        reach: &Reach,
        mut ids: Vec<ArtifactId>,
        what: &'static str,
    ) -> Result<(), HandlerError> {
        if reach.is_whole() {
            return Ok(());
        }
        ids.sort_unstable();
        ids.dedup();
        let scope = self.principal.scope();
        let reached = self.storage().reached_artifact_ids(&scope, reach, &ids);
        if reached.await?.len() < ids.len() {
            return Err(Refusal::not_found(what, "artifactId").into());
        }
        Ok(())
    }
}

fn digest_of(form: &Materialization) -> Result<Digest, HandlerError> {
    let digest = form.digest.parse();
    digest.map_err(|_| HandlerError::fatal("NOT_STORED", "the content has no digest"))
}
