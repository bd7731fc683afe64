//! Content: announcing an upload, and the link to a download. The bytes themselves go by signed links.

#![expect(unused_qualifications, reason = "the macro for parameters writes them")]

use axum::{Json, extract::State, response::Redirect};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    Served,
    answers::{ToAny, ToId},
    body::{Body, Caller, Id, Parameters},
    error::{ErrorBody, RequestFailure},
    shown,
};
use crate::{model::ArtifactId, uploads::Shown};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"filename": "orders.csv", "size_bytes": 4883}))]
pub(super) struct CreateUpload {
    /// The file's name.
    #[schema(min_length = 1, max_length = 255)]
    filename: String,
    /// Its media type, if known.
    #[schema(max_length = 255)]
    mime_type: Option<String>,
    /// Its size in bytes; content of another size is refused.
    #[schema(minimum = 1)]
    size_bytes: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedUploadBody {
    /// Goes into an intent's parameters as `upload_id`.
    upload_id: String,
    /// Takes the bytes by PUT until it expires.
    url: String,
    expires_at: String,
}

/// Announces a file and answers with a link that takes its bytes by PUT.
#[utoipa::path(post, path = "/api/upload/create", tag = "content", request_body = CreateUpload, responses(
    (status = 200, description = "The link", body = CreatedUploadBody),
    (status = 400, description = "Faulty input", body = ErrorBody),
    (status = 413, description = "Larger than an upload may be", body = ErrorBody),
    (status = 415, description = "Not JSON", body = ErrorBody),
    ToAny,
))]
pub(super) async fn create_upload(
    State(served): State<Served>,
    Caller(principal): Caller,
    Body(input): Body<CreateUpload>,
) -> Result<Json<CreatedUploadBody>, RequestFailure> {
    let uploads = &served.services.uploads;
    let created = uploads
        .create(
            &principal,
            input.filename,
            input.mime_type,
            input.size_bytes,
        )
        .await?;
    Ok(Json(CreatedUploadBody {
        upload_id: created.upload.id.to_string(),
        url: created.url,
        expires_at: shown(created.upload.expires_at),
    }))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Form {
    /// The stored form, such as `ndjson`, where there are several; the first when left out.
    format: Option<String>,
}

/// Leads to an artifact's content by a signed link, which expires.
#[utoipa::path(get, path = "/api/artifact/{artifact_id}/download", tag = "content",
    params(("artifact_id" = String, Path, description = "The artifact", pattern = "^art_[0-9a-z]{26}$"), Form), responses(
    (status = 307, description = "The content is there"),
    (status = 404, description = "No such artifact, or it has no such content", body = ErrorBody),
    ToId, ToAny,
))]
pub(super) async fn download(
    State(served): State<Served>,
    Caller(principal): Caller,
    Id(id): Id<ArtifactId>,
    Parameters(form): Parameters<Form>,
) -> Result<Redirect, RequestFailure> {
    let (services, scope) = (&served.services, principal.scope());
    let artifact = services.artifacts.find(&scope, id).await?;
    let artifact = artifact.ok_or_else(|| RequestFailure::not_found("artifact"))?;
    let mut forms = services
        .artifacts
        .find_materializations(&scope, &[id])
        .await?;
    let forms = forms.remove(&id).unwrap_or_default();
    let is_wanted = |name: &str| form.format.as_deref().is_none_or(|format| format == name);
    for form in forms.iter().filter(|form| is_wanted(&form.format)) {
        let artifact = &artifact;
        let link = services
            .uploads
            .download_url(&principal, Shown { artifact, form });
        if let Some(link) = link.await? {
            return Ok(Redirect::temporary(&link));
        }
    }
    Err(RequestFailure::not_found("content"))
}
