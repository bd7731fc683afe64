//! Artifacts: one by id and type, or a list.

use std::collections::HashMap;

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    DEFAULT_LIMIT, MAX_LIMIT, Served,
    answers::{ToAny, ToBody},
    body::{Body, Caller, id},
    check_tenant,
    error::{ErrorBody, RequestFailure},
    shown,
};
use crate::{
    api::ApiError,
    artifact_registry::{ArtifactFilter, Relation},
    model::{
        Artifact, ArtifactId, ArtifactState, Materialization, Principal, RawJson, Refusal,
        TenantScope,
    },
    services::{Error, Services},
    uploads::Shown,
};

/// The most parents of an artifact in its record; `lineage` of the GraphQL API shows all.
const MOST_PARENTS: u32 = 1000;
const MAX_OFFSET: u32 = 10_000;

/// The record of an artifact.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ArtifactBody {
    artifact_id: String,
    artifact_type: String,
    tenant_id: String,
    session_id: String,
    execution_id: String,
    intent_id: String,
    intent_type: String,
    /// `pending`, `ready`, `failed`, `archived` or `deleted`.
    lifecycle_state: String,
    #[schema(value_type = Object)]
    semantic_descriptor: RawJson,
    parent_artifacts: Vec<String>,
    materializations: Vec<MaterializationBody>,
    display_name: Option<String>,
    owner: Option<String>,
    purpose: Option<String>,
    generation: i64,
    roots: Vec<String>,
    created_at: String,
    updated_at: String,
}

/// A stored form of an artifact.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MaterializationBody {
    materialization_id: String,
    storage_type: String,
    uri: String,
    format: String,
    compression: Option<String>,
    size_bytes: i64,
    digest: String,
    /// A signed link to the bytes, for a while.
    download_url: Option<String>,
    created_at: String,
}

impl ArtifactBody {
    /// The records with their parents and stored forms.
    pub(super) async fn of_all(
        services: &Services,
        principal: &Principal,
        artifacts: Vec<Artifact>,
    ) -> Result<Vec<Self>, RequestFailure> {
        let scope = principal.scope();
        let ids: Vec<ArtifactId> = artifacts.iter().map(|artifact| artifact.id).collect();
        let mut parents = parents(services, &scope, &ids).await?;
        let mut forms = services
            .artifacts
            .find_materializations(&scope, &ids)
            .await?;
        let mut bodies = Vec::with_capacity(artifacts.len());
        for artifact in artifacts {
            let parents = parents.remove(&artifact.id).unwrap_or_default();
            let mut bodies_of_forms = Vec::new();
            for form in forms.remove(&artifact.id).unwrap_or_default() {
                bodies_of_forms.push(form_body(services, principal, &artifact, form).await?);
            }
            bodies.push(Self::of(artifact, parents, bodies_of_forms));
        }
        Ok(bodies)
    }

    fn of(artifact: Artifact, parents: Vec<String>, forms: Vec<MaterializationBody>) -> Self {
        Self {
            artifact_id: artifact.id.to_string(),
            artifact_type: artifact.artifact_type,
            tenant_id: artifact.tenant_id.to_string(),
            session_id: artifact.session_id.to_string(),
            execution_id: artifact.execution_id.to_string(),
            intent_id: artifact.intent_id.to_string(),
            intent_type: artifact.intent_type,
            lifecycle_state: artifact.state.name().to_lowercase(),
            semantic_descriptor: artifact.semantic_descriptor,
            parent_artifacts: parents,
            materializations: forms,
            display_name: artifact.display_name,
            owner: artifact.owner,
            purpose: artifact.purpose,
            generation: artifact.generation,
            roots: artifact.roots.iter().map(ToString::to_string).collect(),
            created_at: shown(artifact.created_at),
            updated_at: shown(artifact.updated_at),
        }
    }
}

async fn parents(
    services: &Services,
    scope: &TenantScope,
    ids: &[ArtifactId],
) -> Result<HashMap<ArtifactId, Vec<String>>, RequestFailure> {
    let registry = &services.artifacts;
    let found = registry
        .list_first_relatives(scope, ids, Relation::Parents, MOST_PARENTS)
        .await?;
    let named = found.into_iter().map(|(id, parents)| {
        let names = parents.iter().map(|(_, parent)| parent.id.to_string());
        (id, names.collect())
    });
    Ok(named.collect())
}

async fn form_body(
    services: &Services,
    principal: &Principal,
    artifact: &Artifact,
    form: Materialization,
) -> Result<MaterializationBody, RequestFailure> {
    let of = Shown {
        artifact,
        form: &form,
    };
    let link = services.uploads.download_url(principal, of).await;
    let download_url = match link.map_err(Error::from) {
        // The record is the caller's to see, whatever becomes of its content.
        Err(Error::Refused(Refusal::PolicyDenied { .. })) => None,
        link => link?,
    };
    Ok(MaterializationBody {
        download_url,
        materialization_id: form.id.to_string(),
        storage_type: form.storage_type,
        uri: form.uri,
        format: form.format,
        compression: form.compression,
        size_bytes: form.size_bytes,
        digest: form.digest,
        created_at: shown(form.created_at),
    })
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"artifact_id": "art_01kaa000000000000000000000", "artifact_type": "parsed_content"}))]
pub(super) struct Resolve {
    #[schema(pattern = "^art_[0-9a-z]{26}$")]
    artifact_id: String,
    artifact_type: String,
    /// The caller's own tenant, if it is named at all.
    tenant_id: Option<String>,
}

/// An artifact of this type that is ready or archived.
#[utoipa::path(post, path = "/api/artifact/resolve", tag = "artifact", request_body = Resolve, responses(
    (status = 200, description = "The record", body = ArtifactBody),
    (status = 404, description = "No such artifact, whatever the reason", body = ErrorBody),
    ToBody, ToAny,
))]
pub(super) async fn resolve(
    State(served): State<Served>,
    Caller(principal): Caller,
    Body(input): Body<Resolve>,
) -> Result<Json<ArtifactBody>, RequestFailure> {
    check_tenant(&principal, input.tenant_id.as_deref(), || {
        Refusal::not_found("artifact", "artifactId").into()
    })?;
    let registry = &served.services.artifacts;
    let artifact = registry
        .resolve(
            &principal.scope(),
            id(&input.artifact_id)?,
            &input.artifact_type,
        )
        .await?;
    let mut bodies = ArtifactBody::of_all(&served.services, &principal, vec![artifact]).await?;
    let body = bodies
        .pop()
        .ok_or_else(|| RequestFailure::not_found("artifact"))?;
    Ok(Json(body))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"artifact_type": "parsed_content", "lifecycle_state": "ready", "limit": 20}))]
pub(super) struct List {
    artifact_type: Option<String>,
    /// `pending`, `ready`, `failed`, `archived` or `deleted`.
    #[schema(pattern = "^(pending|ready|failed|archived|deleted)$")]
    lifecycle_state: Option<String>,
    /// An intent type: only what it takes as input.
    eligible_for: Option<String>,
    /// 1 to 200; 50 when left out.
    #[schema(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// 0 to 10,000.
    #[schema(maximum = 10000)]
    offset: Option<u32>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ArtifactPage {
    artifacts: Vec<ArtifactBody>,
    /// The number of items on all pages: counted to 10,000.
    total: u32,
    /// True if there are no more than `total`.
    total_exact: bool,
    limit: u32,
    offset: u32,
}

/// The tenant's artifacts, newest first.
#[utoipa::path(post, path = "/api/artifact/list", tag = "artifact", request_body = List, responses(
    (status = 200, description = "A part of them", body = ArtifactPage),
    ToBody, ToAny,
))]
pub(super) async fn list(
    State(served): State<Served>,
    Caller(principal): Caller,
    Body(input): Body<List>,
) -> Result<Json<ArtifactPage>, RequestFailure> {
    let (limit, offset) = (
        input.limit.unwrap_or(DEFAULT_LIMIT),
        input.offset.unwrap_or(0),
    );
    if !(1..=MAX_LIMIT).contains(&limit) || offset > MAX_OFFSET {
        let message = format!("limit is 1 to {MAX_LIMIT}, offset 0 to {MAX_OFFSET}");
        return Err(ApiError::bad_input(message).into());
    }
    let filter = ArtifactFilter {
        artifact_types: input.artifact_type.into_iter().collect(),
        states: input
            .lifecycle_state
            .as_deref()
            .map(state)
            .transpose()?
            .into_iter()
            .collect(),
        ..ArtifactFilter::default()
    };
    let (registry, scope) = (&served.services.artifacts, principal.scope());
    let eligible_for = input.eligible_for.as_deref();
    let total = registry.count(&scope, &filter, eligible_for).await?;
    let found = registry
        .slice(&scope, &filter, eligible_for, limit, offset)
        .await?;
    Ok(Json(ArtifactPage {
        artifacts: ArtifactBody::of_all(&served.services, &principal, found).await?,
        total: total.count,
        total_exact: total.exact,
        limit,
        offset,
    }))
}

fn state(name: &str) -> Result<ArtifactState, ApiError> {
    let mut all = ArtifactState::ALL.iter().copied();
    all.find(|state| state.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            let names = ArtifactState::ALL
                .iter()
                .map(|state| state.name().to_lowercase());
            let names = names.collect::<Vec<_>>().join(", ");
            ApiError::bad_input(format!("lifecycle_state is one of {names}"))
        })
}
