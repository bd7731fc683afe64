//! The retention loop: what has ended and was kept for long enough is removed, tenant by tenant, in batches that
//! leave the writers to others in between.
//!
//! Of several nodes the one that has lived longest does it. Should two do so at the same time, each batch is still
//! removed once: the transaction looks whether all of it is there.

mod content;
mod ended;
mod executions;
mod kept;

use std::{sync::Arc, time::Duration};

use super::Engine;
use crate::{model::TenantId, storage::Error};
pub use content::Unreferenced;
use executions::Positions;
pub(in crate::runtime) use executions::due;

/// What a round of retention has removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    /// Executions, those below others included.
    pub executions: u64,
    /// Sessions, uploads, keys of the API, records of deleted artifacts, bulk operations and deleted webhooks.
    pub ended: u64,
    /// Keys of requests.
    pub keys: u64,
}

impl Removed {
    fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// The time after which everything is looked through again from its beginning: what was not due when it was passed,
/// because it is kept longer than others, is found then.
const FROM_THE_BEGINNING: Duration = Duration::from_mins(10);

impl Engine {
    /// Removes what may go, now and then, until the node stops.
    pub(super) async fn retention_loop(self: Arc<Self>) {
        let mut positions = Positions::default();
        loop {
            tokio::select! {
                () = tokio::time::sleep(self.settings.retention.period) => {}
                () = self.stopped.cancelled() => return,
            }
            if positions.age() >= FROM_THE_BEGINNING {
                positions = Positions::default();
            }
            let removing = async {
                if self.does_retention().await? {
                    self.remove_old(&mut positions).await
                } else {
                    Ok(Removed::default())
                }
            };
            let removed = tokio::select! {
                removed = removing => removed,
                () = self.stopped.cancelled() => return,
            };
            match removed {
                Ok(removed) if removed.is_nothing() => {}
                Ok(removed) => {
                    tracing::info!(?removed, "what was kept for long enough was removed");
                }
                Err(error) => tracing::warn!(%error, "the round of retention was not completed"),
            }
        }
    }

    /// Returns whether it is this node that removes.
    async fn does_retention(&self) -> Result<bool, Error> {
        if self.settings.is_alone {
            return Ok(true);
        }
        let nodes = self.storage.list_nodes().await?;
        Ok(nodes.first().is_some_and(|node| node.id == self.node_id()))
    }

    /// Looks through everything, from its beginning.
    pub(in crate::runtime) async fn remove_all_old(&self) -> Result<Removed, Error> {
        self.remove_old(&mut Positions::default()).await
    }

    /// Removes everything that may go by now.
    async fn remove_old(&self, positions: &mut Positions) -> Result<Removed, Error> {
        let mut removed = Removed::default();
        let is_whole = positions.are_fresh();
        self.forget_keys(&mut removed).await?;
        self.forget_logouts().await?;
        let mut after: Option<TenantId> = None;
        while let Some((tenant, now)) = self.storage.find_next_tenant(after.as_ref()).await? {
            if self.can_sign(&tenant).await? {
                self.remove_executions(&tenant, now, positions, &mut removed)
                    .await?;
                if is_whole {
                    self.remove_ended(&tenant, now, &mut removed).await?;
                    self.sign_what_is_kept(&tenant).await?;
                }
            }
            after = Some(tenant);
        }
        Ok(removed)
    }

    /// Returns whether anything of a tenant may be removed: where its log is signed, what remains must be, too.
    async fn can_sign(&self, tenant: &TenantId) -> Result<bool, Error> {
        if self.checkpoints.is_some() || !self.storage.has_checkpoints(tenant).await? {
            return Ok(true);
        }
        tracing::warn!(
            %tenant,
            "nothing is removed: the log is signed, and this node has no keys to sign what remains; set log.checkpoint_keys"
        );
        Ok(false)
    }
}
