//! Announcing an upload and recording that its bytes have arrived.

use super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::TenantScope;
use crate::model::{Upload, UploadId};

/// Announces an upload.
#[derive(Debug, Clone)]
pub(in crate::storage) struct CreateUpload {
    pub(in crate::storage) scope: TenantScope,
    pub(in crate::storage) id: UploadId,
    pub(in crate::storage) filename: String,
    pub(in crate::storage) mime_type: Option<String>,
    pub(in crate::storage) declared_size_bytes: i64,
    pub(in crate::storage) ttl_micros: i64,
}

impl Operation for CreateUpload {
    type Output = Upload;

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<Upload, Error> {
        let upload = Upload {
            id: self.id,
            tenant_id: self.scope.tenant().clone(),
            filename: self.filename.clone(),
            mime_type: self.mime_type.clone(),
            declared_size_bytes: self.declared_size_bytes,
            digest: None,
            created_at: working.now,
            expires_at: working.now.saturating_add(self.ttl_micros),
            completed_at: None,
        };
        working.changes.uploads.push(vec![
            upload.id.0.into(),
            upload.tenant_id.as_str().into(),
            upload.filename.as_str().into(),
            upload.mime_type.clone().into(),
            upload.declared_size_bytes.into(),
            upload.created_at.into(),
            upload.expires_at.into(),
        ]);
        Ok(upload)
    }
}

/// Records that an upload's bytes are in the content store. The first digest stays.
#[derive(Debug, Clone)]
pub(in crate::storage) struct FinishUpload {
    pub(in crate::storage) scope: TenantScope,
    pub(in crate::storage) id: UploadId,
    pub(in crate::storage) digest: String,
}

impl Operation for FinishUpload {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        working.changes.uploads_done.push(vec![
            self.id.0.into(),
            self.scope.tenant().as_str().into(),
            self.digest.as_str().into(),
            working.now.into(),
        ]);
        Ok(())
    }
}
