//! Announcing uploads: content that is too large to travel inside an intent.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationResult, parts, payload};
use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::{
            scalars::{BigInt, DateTime},
            user_error::UserError,
        },
    },
    model,
    uploads::CreatedUpload,
};

/// A file to upload.
#[derive(InputObject)]
struct CreateUploadInput {
    /// The file's name.
    filename: String,
    /// Its media type, if known.
    mime_type: Option<String>,
    /// Its size in bytes; content of another size is refused.
    size_bytes: BigInt,
}

/// An upload that was announced.
#[derive(SimpleObject)]
struct Upload {
    /// Opaque id of the form `upl_…`; goes into `ingest_file` as `upload_id`.
    id: ID,
    /// The file's name.
    filename: String,
    /// Its media type, if known.
    mime_type: Option<String>,
    /// The expected size in bytes.
    size_bytes: BigInt,
    /// Until when they are accepted.
    expires_at: DateTime,
}

impl From<model::Upload> for Upload {
    fn from(upload: model::Upload) -> Self {
        Self {
            id: upload.id.into(),
            filename: upload.filename,
            mime_type: upload.mime_type,
            size_bytes: BigInt(upload.declared_size_bytes),
            expires_at: DateTime(upload.expires_at),
        }
    }
}

/// The result of `createUpload`.
#[derive(SimpleObject)]
struct CreateUploadPayload {
    /// The upload; null when there are errors.
    upload: Option<Upload>,
    /// The URL that takes the bytes by PUT; null when there are errors.
    url: Option<String>,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<CreatedUpload>> for CreateUploadPayload {
    fn from(outcome: MutationResult<CreatedUpload>) -> Self {
        let (created, errors) = parts(outcome);
        let (upload, url) = created.map(|it| (it.upload.into(), it.url)).unzip();
        Self {
            upload,
            url,
            errors,
        }
    }
}

#[derive(Default)]
pub(super) struct UploadMutation;

#[Object]
impl UploadMutation {
    /// Announces a file and answers with a URL that takes its bytes by PUT.
    async fn create_upload(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The file to upload.")] input: CreateUploadInput,
    ) -> Result<CreateUploadPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let CreateUploadInput {
            filename,
            mime_type,
            size_bytes,
        } = input;
        let uploads = &caller.services.uploads;
        let created = uploads
            .create(&caller.principal, filename, mime_type, size_bytes.0)
            .await;
        payload(caller, created.map_err(Into::into))
    }
}
