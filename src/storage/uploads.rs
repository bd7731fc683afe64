//! Uploads: announced, then noted as arrived.

use super::{Error, Storage, write};
use crate::model::{Reach, TenantScope, Upload, UploadId};

/// The announcement of an upload.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// Its id.
    pub id: UploadId,
    /// The file's name.
    pub filename: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// The number of bytes that are announced.
    pub declared_size_bytes: i64,
    /// The time for which the bytes are accepted.
    pub ttl_micros: i64,
    /// The part of the tenant's data that it is to belong to.
    pub reach: Reach,
    /// The most bytes that the tenant may have announced without sending them.
    pub max_announced_bytes: i64,
}

impl Storage {
    /// Announces an upload.
    ///
    /// # Errors
    /// [`Error::Refused`] when the tenant has announced too much that has not arrived; when the
    /// database is away.
    pub async fn create_upload(&self, scope: TenantScope, new: NewUpload) -> Result<Upload, Error> {
        let NewUpload {
            id,
            filename,
            mime_type,
            declared_size_bytes,
            ttl_micros,
            reach,
            max_announced_bytes,
        } = new;
        let create = write::CreateUpload {
            scope,
            id,
            filename,
            mime_type,
            declared_size_bytes,
            ttl_micros,
            reach: (!reach.is_whole()).then(|| reach.to_string()),
            max_announced_bytes,
        };
        self.writer
            .offer(create.scope.tenant().clone(), create)
            .await
    }

    /// Records that an upload's bytes are in the content store.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn finish_upload(
        &self,
        scope: TenantScope,
        id: UploadId,
        digest: String,
    ) -> Result<(), Error> {
        self.writer
            .run(write::FinishUpload { scope, id, digest })
            .await
    }
}
