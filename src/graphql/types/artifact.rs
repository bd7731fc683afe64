//! Artifacts: identity, meaning and storage, three separate things.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::{
    connection::ArtifactConnection,
    counted::Listed,
    execution::Execution,
    lineage::{Lineage, LineageDirection, LineageQuestion},
    page::PageArgs,
    scalars::{BigInt, DateTime, Json, int},
    total::Total,
};
use crate::{
    api::ApiError,
    artifact_registry::Relation,
    graphql::{error::Nullable, loading::Caller},
    model::{self, RawJson},
    services::Members,
    uploads::Shown,
};

/// The lifecycle state of an artifact. Ready and archived artifacts resolve.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::ArtifactState")]
pub(crate) enum ArtifactLifecycleState {
    /// Registered, not yet a record of fact.
    Pending,
    /// Usable.
    Ready,
    /// Could not be made.
    Failed,
    /// Put away; still resolves, and may be restored.
    Archived,
    /// A tombstone that keeps lineage whole.
    Deleted,
}

/// An artifact as it stands.
pub(crate) struct Artifact(pub(crate) Arc<model::Artifact>);

impl Artifact {
    /// The artifact with that id, as it stands; none where it is absent or not the caller's.
    pub(crate) async fn find(ctx: &Context<'_>, id: model::ArtifactId) -> Nullable<Self> {
        let loaders = match Caller::of(ctx) {
            Ok(caller) => caller.loaders(),
            Err(error) => return Some(Err(error)),
        };
        let found = loaders.artifacts.load(id).await;
        found.map(|found| found.map(Self)).transpose()
    }
}

/// A canonical output of an intent.
#[Object]
impl Artifact {
    /// Opaque id of the form `art_…`.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its type, e.g. `parsed_content`.
    async fn artifact_type(&self) -> &str {
        &self.0.artifact_type
    }

    /// The tenant it belongs to.
    async fn tenant_id(&self) -> &str {
        self.0.tenant_id.as_str()
    }

    /// A name for people.
    async fn display_name(&self) -> Option<&str> {
        self.0.display_name.as_deref()
    }

    /// Its owner, as its handler says.
    async fn owner(&self) -> Option<&str> {
        self.0.owner.as_deref()
    }

    /// Its purpose, as its handler says.
    async fn purpose(&self) -> Option<&str> {
        self.0.purpose.as_deref()
    }

    /// Its lifecycle state.
    async fn lifecycle_state(&self) -> ArtifactLifecycleState {
        self.0.state.into()
    }

    /// The steps of its life, oldest first.
    async fn transitions(&self, ctx: &Context<'_>) -> Result<Listed<ArtifactTransition>, ApiError> {
        let loaders = Caller::of(ctx)?.loaders();
        let steps = loaders
            .transitions
            .load(self.0.id)
            .await?
            .unwrap_or_default();
        Ok(steps.iter().map(Into::into).collect())
    }

    /// Its meaning: schema, record count, parser and the like; never storage facts.
    async fn semantic_descriptor(&self) -> Json {
        Json(self.0.semantic_descriptor.clone())
    }

    /// Its stored forms.
    async fn materializations(
        &self,
        ctx: &Context<'_>,
    ) -> Result<Listed<Materialization>, ApiError> {
        let loaders = Caller::of(ctx)?.loaders();
        let forms = loaders
            .materializations
            .load(self.0.id)
            .await?
            .unwrap_or_default();
        let forms = forms.iter().cloned();
        let shown = |form| Materialization {
            form,
            of: Arc::clone(&self.0),
        };
        Ok(forms.map(shown).collect())
    }

    /// The intent and the execution that it came from.
    async fn produced_by(&self) -> ProducedBy {
        ProducedBy(Arc::clone(&self.0))
    }

    /// 0 without parents, else one more than the highest of theirs.
    async fn generation(&self) -> i32 {
        int(self.0.generation)
    }

    /// The artifacts that it was made from, in order of registration.
    async fn parents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items of the page, counted from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ArtifactConnection, ApiError> {
        let args = PageArgs::new(first, after, last, before);
        let caller = Caller::of(ctx)?;
        if let Some(size) = args.first_page()? {
            let page = caller.loaders().parents.load((self.0.id, size)).await?;
            let total = total(self.0.id, Relation::Parents);
            return Ok(ArtifactConnection::shared(page, total));
        }
        relatives(caller, self.0.id, Relation::Parents, &args).await
    }

    /// The artifacts that were made from it, in order of registration.
    async fn children(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items of the page, counted from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ArtifactConnection, ApiError> {
        let args = PageArgs::new(first, after, last, before);
        let caller = Caller::of(ctx)?;
        if let Some(size) = args.first_page()? {
            let page = caller.loaders().children.load((self.0.id, size)).await?;
            let total = total(self.0.id, Relation::Children);
            return Ok(ArtifactConnection::shared(page, total));
        }
        relatives(caller, self.0.id, Relation::Children, &args).await
    }

    /// Everything it descends from or that descends from it, as a flat graph.
    async fn lineage(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Which way to walk.",
            default_with = "LineageDirection::Upstream"
        )]
        direction: LineageDirection,
        #[graphql(desc = "How many edges away at most, 0 to 100.", default = 10)] max_depth: i32,
        #[graphql(desc = "How many artifacts at most, 1 to 10,000.", default = 500)] max_nodes: i32,
    ) -> Result<Lineage, ApiError> {
        let question = LineageQuestion {
            roots: vec![self.0.id],
            direction,
            max_depth,
            max_nodes,
            filter: None,
        };
        question.answer(Caller::of(ctx)?).await
    }

    /// When it was registered.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last changed its state.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

async fn relatives(
    caller: &Caller,
    id: model::ArtifactId,
    relation: Relation,
    args: &PageArgs,
) -> Result<ArtifactConnection, ApiError> {
    let artifacts = &caller.services.artifacts;
    let page = artifacts
        .list_relatives(&caller.scope, id, relation, &args.request()?)
        .await?;
    Ok(ArtifactConnection::of(page, total(id, relation)))
}

fn total(id: model::ArtifactId, relation: Relation) -> Total {
    Total::Members(Members::RelativesOfArtifact(relation), id.0)
}

/// The origin of an artifact.
pub(crate) struct ProducedBy(Arc<model::Artifact>);

/// The origin of an artifact.
#[Object]
impl ProducedBy {
    /// The type of the intent.
    async fn intent_type(&self) -> &str {
        &self.0.intent_type
    }

    /// The execution; null when it is no longer kept.
    async fn execution(&self, ctx: &Context<'_>) -> Nullable<Execution> {
        Execution::find(ctx, self.0.execution_id).await
    }
}

/// One step of an artifact's life.
#[derive(SimpleObject)]
pub(crate) struct ArtifactTransition {
    /// The state before; null at registration.
    from: Option<ArtifactLifecycleState>,
    /// The state after.
    to: ArtifactLifecycleState,
    /// When.
    at: DateTime,
    /// The name of whoever changed it.
    actor: String,
    /// Why, if a reason was given.
    reason: Option<String>,
}

impl From<&model::ArtifactTransition> for ArtifactTransition {
    fn from(step: &model::ArtifactTransition) -> Self {
        Self {
            from: step.from.map(Into::into),
            to: step.to.into(),
            at: DateTime(step.at),
            actor: step.actor.clone(),
            reason: step.reason.clone(),
        }
    }
}

/// One stored form of an artifact.
pub(crate) struct Materialization {
    form: model::Materialization,
    of: Arc<model::Artifact>,
}

impl Materialization {
    fn shown(&self) -> Shown<'_> {
        Shown {
            artifact: &self.of,
            form: &self.form,
        }
    }
}

/// One stored form of an artifact.
#[Object]
impl Materialization {
    /// Opaque id of the form `mat_…`.
    async fn id(&self) -> ID {
        self.form.id.into()
    }

    /// The store that keeps the bytes; `content` for the content store.
    async fn storage_type(&self) -> &str {
        &self.form.storage_type
    }

    /// The form of the bytes, e.g. `csv`, `ndjson`.
    async fn format(&self) -> &str {
        &self.form.format
    }

    /// The compression of the bytes, if they are compressed.
    async fn compression(&self) -> Option<&str> {
        self.form.compression.as_deref()
    }

    /// Their number.
    async fn size_bytes(&self) -> BigInt {
        BigInt(self.form.size_bytes)
    }

    /// Their SHA-256 in hex.
    async fn digest(&self) -> &str {
        &self.form.digest
    }

    /// A signed URL from which the bytes can be fetched until it expires; null where there are none
    /// to fetch, as those of a deleted artifact.
    async fn download_url(&self, ctx: &Context<'_>) -> Nullable<String> {
        if self.of.state == model::ArtifactState::Deleted {
            return None;
        }
        let url = async {
            let caller = Caller::of(ctx)?;
            let (uploads, principal) = (&caller.services.uploads, caller.metered());
            let url = uploads.download_url(&principal, self.shown());
            Ok(url.await?)
        };
        url.await.transpose()
    }

    /// Its rows from `offset` on, as JSON, read without the others: at most a mebibyte. Null where it
    /// does not hold rows of JSON, and for a deleted artifact.
    async fn preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Rows at most, 1 to 200; 20 when left out.")] first: Option<i32>,
        #[graphql(desc = "Rows before the first.")] offset: Option<BigInt>,
    ) -> Nullable<Vec<Json>> {
        if self.of.state == model::ArtifactState::Deleted {
            return None;
        }
        let first = usize::try_from(first.unwrap_or(20)).unwrap_or_default();
        let offset = u64::try_from(offset.map_or(0, |it| it.0)).unwrap_or_default();
        let first = first.clamp(1, 200);
        let rows = async {
            let caller = Caller::of(ctx)?;
            let (uploads, principal) = (&caller.services.uploads, caller.metered());
            let rows = uploads.preview(&principal, self.shown(), first, offset);
            Ok::<_, ApiError>(rows.await?)
        };
        let shown = |rows: Vec<RawJson>| rows.into_iter().map(Json).collect();
        rows.await.map(|rows| rows.map(shown)).transpose()
    }

    /// When it was recorded.
    async fn created_at(&self) -> DateTime {
        DateTime(self.form.created_at)
    }
}
