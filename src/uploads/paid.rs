//! The price of signed links: a request each, and every byte. Whose link it is pays, from the same
//! budget as for everything else, and parts of its content take turns while other tenants ask, too.

use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};

use super::{Error, Uploads};
use crate::model::{TenantId, Turn, Work, price};

impl Uploads {
    /// Takes the price of a request by a link that was found good.
    ///
    /// # Errors
    /// [`Error::OverBudget`] when the tenant has spent what it may.
    pub(super) async fn enter(&self, tenant: &TenantId) -> Result<(), Error> {
        let entered = self.0.budget.enter(tenant).await;
        entered.map_err(Error::OverBudget)
    }

    /// The parts of an upload, each paid when it has come, and in its turn until the next one is asked
    /// for. That one waits while the tenant owes.
    pub(super) fn taken<S, E>(
        &self,
        tenant: TenantId,
        parts: S,
    ) -> impl Stream<Item = Result<Bytes, E>> + Send + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let (budget, parts) = (Arc::clone(&self.0.budget), Box::pin(parts));
        let begin: Turn = None;
        stream::unfold((parts, begin), move |(mut parts, turn)| {
            let (budget, tenant) = (Arc::clone(&budget), tenant.clone());
            async move {
                drop(turn);
                budget.out_of_debt(&tenant).await;
                let part = parts.next().await?;
                let bytes = part.as_ref().map_or(0, Bytes::len);
                budget.charge(&tenant, price::content(bytes));
                let turn = budget.turn(&tenant, Work::Content).await;
                Some((part, (parts, turn)))
            }
        })
        .fuse()
    }

    /// The parts of a download, each read in its turn and then paid. The next one waits while the tenant
    /// owes; a client that reads slowly holds no turn.
    pub(super) fn given<S, E>(
        &self,
        tenant: TenantId,
        parts: S,
    ) -> impl Stream<Item = Result<Bytes, E>> + Send + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>> + Send,
        E: Send,
    {
        let (budget, parts) = (Arc::clone(&self.0.budget), Box::pin(parts));
        stream::unfold(parts, move |mut parts| {
            let (budget, tenant) = (Arc::clone(&budget), tenant.clone());
            async move {
                budget.out_of_debt(&tenant).await;
                let turn = budget.turn(&tenant, Work::Content).await;
                let part = parts.next().await?;
                drop(turn);
                let bytes = part.as_ref().map_or(0, Bytes::len);
                budget.charge(&tenant, price::content(bytes));
                Some((part, parts))
            }
        })
        .fuse()
    }
}
