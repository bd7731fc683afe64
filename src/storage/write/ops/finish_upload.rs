//! Records that the bytes of an upload have arrived.

use entity::upload;
use sea_orm::ActiveValue::Set;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{TenantScope, UploadId};

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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::CreateUpload,
        write::tests::{TENANT, alone},
    };

    #[tokio::test]
    async fn an_upload_keeps_the_digest_that_it_got_first() {
        on_each_database(async |world| {
            let id = UploadId(Uuid::from_u128(1));
            let create = CreateUpload {
                scope: scope_of(TENANT),
                id,
                filename: "a.csv".into(),
                mime_type: None,
                declared_size_bytes: 1,
                ttl_micros: 3_600_000_000,
                reach: None,
                max_announced_bytes: 1_000_000,
            };
            alone(world, create).await.unwrap();
            for (tenant, digest) in [("theirs", "0"), (TENANT, "1"), (TENANT, "2")] {
                let (scope, digest) = (scope_of(tenant), digest.to_owned());
                alone(world, FinishUpload { scope, id, digest })
                    .await
                    .unwrap();
            }
            let found = world.storage.find_upload(&scope_of(TENANT), id).await;
            let upload = found.unwrap().unwrap();
            assert_eq!(upload.digest.as_deref(), Some("1"));
            assert!(upload.completed_at.is_some());
        })
        .await;
    }
}
