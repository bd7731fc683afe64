//! Announcing an upload and recording that its bytes have arrived.

use entity::upload;
use sea_orm::ActiveValue::Set;

use super::{
    super::Error,
    load::LEAST_ANNOUNCED_BYTES,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{Refusal, TenantScope, Upload, UploadId};

/// Announces an upload.
#[derive(Debug, Clone)]
pub(in crate::storage) struct CreateUpload {
    pub(in crate::storage) scope: TenantScope,
    pub(in crate::storage) id: UploadId,
    pub(in crate::storage) filename: String,
    pub(in crate::storage) mime_type: Option<String>,
    pub(in crate::storage) declared_size_bytes: i64,
    pub(in crate::storage) ttl_micros: i64,
    /// Announced and not arrived, the tenant has at most so many bytes.
    pub(in crate::storage) max_announced_bytes: i64,
}

impl Operation for CreateUpload {
    type Output = Upload;

    fn needs(&self, needs: &mut Needs) {
        needs.announced.push(self.scope.tenant().clone());
    }

    fn decide(&self, working: &mut Working) -> Result<Upload, Error> {
        let tenant = self.scope.tenant();
        let counted = self.declared_size_bytes.max(LEAST_ANNOUNCED_BYTES);
        let announced = working.announced_bytes.entry(tenant.clone()).or_default();
        let sum = announced.saturating_add(counted);
        if sum > self.max_announced_bytes {
            return Err(Refusal::TooLarge {
                what: "the total of announced uploads that have not arrived",
                actual_bytes: sum.unsigned_abs(),
                limit_bytes: self.max_announced_bytes.unsigned_abs(),
            }
            .into());
        }
        *announced = sum;
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
        working.changes.uploads.push(upload.clone());
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
        working.changes.uploads_done.push(upload::ActiveModel {
            id: Set(self.id.0),
            tenant_id: Set(self.scope.tenant().to_string()),
            digest: Set(Some(self.digest.clone())),
            completed_at: Set(Some(working.now)),
            ..upload::ActiveModel::default()
        });
        Ok(())
    }
}
