//! Announces an upload, within what the tenant may have announced.

use super::super::{
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
    /// To whom it belongs; none where that is the whole tenant.
    pub(in crate::storage) reach: Option<String>,
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
            reach: self.reach.clone(),
        };
        working.changes.uploads.push(upload.clone());
        Ok(upload)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::tests::{Batch, TENANT, alone, refusal},
    };

    fn create(number: u128, tenant: &str) -> CreateUpload {
        CreateUpload {
            scope: scope_of(tenant),
            id: UploadId(Uuid::from_u128(number)),
            filename: "a.csv".into(),
            mime_type: None,
            // Counts as the least that an upload counts.
            declared_size_bytes: 1,
            ttl_micros: 3_600_000_000,
            reach: None,
            max_announced_bytes: 2 * LEAST_ANNOUNCED_BYTES,
        }
    }

    #[tokio::test]
    async fn what_a_tenant_announces_is_bounded_within_a_batch_and_across_batches() {
        on_each_database(async |world| {
            let mut batch = Batch::default();
            let first = batch.add(create(1, TENANT));
            let second = batch.add(create(2, TENANT));
            let third = batch.add(create(3, TENANT));
            let theirs = batch.add(create(4, "theirs"));
            batch.run(world).await;
            let upload = first.get().unwrap();
            assert_eq!(
                (upload.digest.as_deref(), upload.completed_at),
                (None, None)
            );
            assert!(second.get().is_ok() && theirs.get().is_ok());
            for refused in [third.get(), alone(world, create(5, TENANT)).await] {
                let refused = refusal(refused);
                assert!(matches!(refused, Refusal::TooLarge { .. }), "{refused:?}");
            }
            let found = world
                .storage
                .find_upload(&scope_of(TENANT), upload.id)
                .await;
            assert_eq!(found.unwrap(), Some(upload));
        })
        .await;
    }
}
