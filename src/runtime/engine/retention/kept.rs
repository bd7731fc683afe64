//! Signing anew what is kept of a log, so that nothing has to stay of what was removed from it.

use std::time::Instant;

use super::Engine;
use crate::{
    model::{RemovedEntry, Signed, TenantId},
    storage::{Error, NextKept},
};

impl Engine {
    /// Returns what seals removed entries; none where the log is not signed.
    pub(super) async fn sealer(&self) -> Result<Option<impl Fn(&mut RemovedEntry) + Sync>, Error> {
        let Some(keys) = &self.checkpoints else {
            return Ok(None);
        };
        let installation = self.storage.installation_id().await?;
        Ok(Some(move |entry: &mut RemovedEntry| {
            keys.seal(installation, entry);
        }))
    }

    /// Signs what is kept under those checkpoints of a tenant under which entries were removed.
    pub(super) async fn sign_what_is_kept(&self, tenant: &TenantId) -> Result<(), Error> {
        let Some(keys) = &self.checkpoints else {
            return Ok(());
        };
        let installation = self.storage.installation_id().await?;
        let is_signed = |signed: Signed<'_>| keys.is_signed(installation, signed);
        let mut after = 0;
        loop {
            let begun = Instant::now();
            match self.storage.find_kept(tenant, after, &is_signed).await? {
                None => return Ok(()),
                Some(NextKept::Differs(number)) => {
                    tracing::error!(
                        %tenant,
                        number,
                        "the log is not what was signed: nothing is signed anew; `takeoff verify --chain` tells more"
                    );
                    after = number;
                }
                Some(NextKept::Agrees(mut kept)) => {
                    after = kept.checkpoint.number;
                    keys.sign_kept(installation, &mut kept.checkpoint);
                    self.storage.record_kept(*kept).await?;
                    self.rest(begun.elapsed()).await;
                }
            }
        }
    }
}
