//! What a tenant, and one of its callers, may ask for in a second or have at the same time. Nothing is limited unless the
//! configuration says so, and then what is not limited costs nothing.
//!
//! Nodes count together where there is something to share ([`SharedQuotas`]). Otherwise, and while it is away, each
//! node has its share: the limit, divided by the nodes that live.

mod cost;
mod drawn;
mod executions;
mod holds;
mod limits;
mod rates;
mod shared;
mod stored;

use std::{
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt as _;
use moka::sync::Cache;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::executions::Begun;
use self::{drawn::Allowance, executions::Executions, holds::Open, rates::Uses, stored::Stored};
pub use self::{
    holds::Hold,
    limits::{Quota, QuotaLimits, QuotaSettings},
    shared::{NotShared, SharedQuotas, Taken},
};
use crate::{
    model::{Principal, Refusal, TenantId, TenantScope},
    storage::{self, Storage},
};

/// The most tenants and callers of whom something is remembered.
const MAX_REMEMBERED: u64 = 100_000;
/// What nobody has used for so long is forgotten: by then every bucket is full again.
const REMEMBERED_FOR: Duration = Duration::from_mins(1);
/// Places are held on of so many tenants at the same time.
const RENEWED_AT_ONCE: usize = 16;
/// When to come back for a place that somebody else has to leave.
const COME_BACK: Duration = Duration::from_secs(1);

/// The quotas of a node. Clones share them.
#[derive(Debug, Clone)]
pub struct Quotas(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: QuotaSettings,
    are_none: bool,
    storage: Storage,
    common: Arc<Common>,
    submits: Cache<TenantId, Arc<Uses>>,
    callers: Cache<(TenantId, Arc<str>), Arc<Uses>>,
    /// Remembered however long nobody spends: where little comes back in a second, it takes long until a bucket is full.
    cost: Cache<TenantId, Arc<Uses>>,
    executions: Cache<TenantId, Arc<Executions>>,
    stored: Cache<TenantId, Arc<Stored>>,
    /// Those of which something is open stay as long as it is.
    open: Cache<(TenantId, Quota), Arc<Open>>,
}

/// What is common to all quotas of a node.
#[derive(Debug)]
struct Common {
    shared: Option<Arc<dyn SharedQuotas>>,
    is_away: AtomicBool,
    nodes: AtomicU64,
    /// Runs what nobody waits for, or what must go on when nobody does any more.
    runtime: Handle,
}

impl Common {
    fn nodes(&self) -> u64 {
        self.nodes.load(Ordering::Relaxed).max(1)
    }

    fn are_shared(&self) -> bool {
        self.shared.is_some() && !self.is_away.load(Ordering::Relaxed)
    }

    /// Notes whether the nodes can count together, and says so when that has changed.
    fn heard(&self, error: Option<&NotShared>) {
        let was_away = self.is_away.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was_away => {
                let error = error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "quotas are not shared for now: this node takes its share"
                );
            }
            None if was_away => tracing::info!("quotas are shared by all nodes again"),
            _ => {}
        }
    }
}

/// How much of a quota is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// What is limited.
    pub quota: Quota,
    /// The most.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// The time until all of it is there again; zero for what does not come back with time.
    pub reset: Duration,
}

fn remembered<K: Eq + Hash + Send + Sync + 'static, V: Clone + Send + Sync + 'static>()
-> Cache<K, V> {
    Cache::builder()
        .max_capacity(MAX_REMEMBERED)
        .time_to_idle(REMEMBERED_FOR)
        .build()
}

impl Quotas {
    /// Counts by these settings, together with other nodes where there is something to share.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[must_use]
    pub fn new(
        settings: QuotaSettings,
        storage: Storage,
        shared: Option<Arc<dyn SharedQuotas>>,
    ) -> Self {
        Self(Arc::new(Inner {
            are_none: settings.are_none(),
            settings,
            storage,
            common: Arc::new(Common {
                shared,
                is_away: AtomicBool::new(false),
                nodes: AtomicU64::new(1),
                runtime: Handle::current(),
            }),
            submits: remembered(),
            callers: remembered(),
            cost: Cache::builder().max_capacity(MAX_REMEMBERED).build(),
            executions: remembered(),
            stored: remembered(),
            open: Cache::builder().max_capacity(MAX_REMEMBERED).build(),
        }))
    }

    /// Returns whether nothing is limited.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.0.are_none
    }

    /// Lets a caller submit an intent, which is written or given up when the result is dropped.
    ///
    /// # Errors
    /// [`Refusal::QuotaExceeded`] when it, or its tenant, has submitted too much; when the database does not answer.
    pub(crate) async fn submit(&self, principal: &Principal) -> Result<Begun, storage::Error> {
        let this = &*self.0;
        let mut begun = Begun::unlimited();
        if this.are_none {
            return Ok(begun);
        }
        let tenant = principal.tenant();
        if let Some(stored) = this.stored(tenant)
            && stored.is_full(&this.storage, &principal.scope())
        {
            return Err(exceeded(Quota::StoredBytes, stored::COME_BACK));
        }
        if let Some(executions) = this.executions(tenant) {
            let (scope, nodes) = (principal.scope(), this.common.nodes());
            let one = executions.begin(&this.storage, &scope, nodes).await?;
            begun = one.map_err(|wait| exceeded(Quota::Executions, wait))?;
        }
        for (quota, uses) in this.uses(principal) {
            let taken = uses.take(&this.common, 1).await;
            taken.map_err(|wait| exceeded(quota, wait))?;
        }
        Ok(begun)
    }

    /// Lets a tenant announce content of `bytes` bytes.
    ///
    /// # Errors
    /// [`Refusal::QuotaExceeded`] when it would have too much; when the database does not answer.
    pub async fn store(&self, scope: &TenantScope, bytes: u64) -> Result<(), storage::Error> {
        let this = &*self.0;
        let Some(stored) = this.stored(scope.tenant()) else {
            return Ok(());
        };
        if stored.announce(&this.storage, scope, bytes).await? {
            return Ok(());
        }
        Err(exceeded(Quota::StoredBytes, stored::COME_BACK))
    }

    /// Opens a WebSocket, a subscription or an event stream of a tenant; it is open until the result is dropped.
    ///
    /// # Errors
    /// [`Refusal::QuotaExceeded`] when it has too many.
    pub async fn open(&self, tenant: &TenantId, quota: Quota) -> Result<Hold, Refusal> {
        let this = &*self.0;
        let Some(limit) = this.settings.limit(tenant, quota) else {
            return Ok(Hold::unlimited());
        };
        let new = || Arc::new(Open::new(format!("{quota}:{tenant}"), limit));
        loop {
            let open = this.open.get_with((tenant.clone(), quota), new);
            if let Some(hold) = open.enter(&this.common).await {
                return Ok(hold);
            }
            if !open.has_ended() {
                return Err(refusal(quota, COME_BACK));
            }
            // It is about to be replaced by one that has not.
            tokio::task::yield_now().await;
        }
    }

    /// How much is left of what is limited for a caller.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn left(&self, principal: &Principal) -> Result<Vec<Left>, storage::Error> {
        let this = &*self.0;
        let mut all = self.rates_left(principal);
        let cost = all.pop_if(|left| left.quota == Quota::Cost);
        let tenant = principal.tenant();
        if let Some(executions) = this.executions(tenant) {
            all.push(Left {
                quota: Quota::Executions,
                limit: executions.limit(),
                remaining: executions.left(&this.storage, &principal.scope()).await?,
                reset: Duration::ZERO,
            });
        }
        if let Some(stored) = this.stored(tenant) {
            all.push(Left {
                quota: Quota::StoredBytes,
                limit: stored.limit(),
                remaining: stored.left(&this.storage, &principal.scope()).await?,
                reset: Duration::ZERO,
            });
        }
        for quota in [Quota::Subscriptions, Quota::Sockets] {
            if let Some(limit) = this.settings.limit(tenant, quota) {
                let open = this.open.get(&(tenant.clone(), quota));
                all.push(Left {
                    quota,
                    limit,
                    remaining: open.map_or(limit, |open| open.left(&this.common)),
                    reset: Duration::ZERO,
                });
            }
        }
        all.extend(cost);
        Ok(all)
    }

    /// The same of what comes back with time, as far as this node knows.
    #[must_use]
    pub fn rates_left(&self, principal: &Principal) -> Vec<Left> {
        let this = &*self.0;
        let cost = self.cost(principal.tenant());
        let cost = cost.map(|uses| (Quota::Cost, uses));
        let uses = this.uses(principal).into_iter().chain(cost);
        uses.map(|(quota, uses)| {
            let (remaining, reset) = uses.left(&this.common);
            Left {
                quota,
                limit: uses.per_second(),
                remaining,
                reset,
            }
        })
        .collect()
    }

    /// Holds the places of what is open, and counts the nodes that live, until the node stops.
    pub async fn maintain_until(self, stop: CancellationToken) {
        if self.0.are_none {
            return;
        }
        let maintaining = async {
            loop {
                self.0.count_nodes().await;
                futures::stream::iter(&self.0.open)
                    .for_each_concurrent(RENEWED_AT_ONCE, async |(key, open)| {
                        open.renew(&self.0.common).await;
                        if open.end_if_unused() {
                            self.0.open.invalidate(&*key);
                        }
                    })
                    .await;
                tokio::time::sleep(holds::HOLD_EVERY).await;
            }
        };
        stop.run_until_cancelled(maintaining).await;
    }
}

impl Inner {
    /// What a submit of a caller uses, its own first: what is refused for one caller costs its tenant nothing.
    fn uses(&self, principal: &Principal) -> Vec<(Quota, Arc<Uses>)> {
        let tenant = principal.tenant();
        let mut uses = Vec::new();
        if let Some(limit) = self.settings.limit(tenant, Quota::CallerSubmits) {
            let actor = principal.actor();
            let key = || format!("{}:{tenant}:{actor}", Quota::CallerSubmits);
            let new = || Arc::new(Uses::new(key(), Allowance::of_submits(limit)));
            let of = (tenant.clone(), Arc::clone(actor));
            uses.push((Quota::CallerSubmits, self.callers.get_with(of, new)));
        }
        if let Some(limit) = self.settings.limit(tenant, Quota::Submits) {
            let key = || format!("{}:{tenant}", Quota::Submits);
            let new = || Arc::new(Uses::new(key(), Allowance::of_submits(limit)));
            uses.push((Quota::Submits, self.submits.get_with(tenant.clone(), new)));
        }
        uses
    }

    fn executions(&self, tenant: &TenantId) -> Option<Arc<Executions>> {
        let limit = self.settings.limit(tenant, Quota::Executions)?;
        let new = || Arc::new(Executions::new(limit));
        Some(self.executions.get_with(tenant.clone(), new))
    }

    fn stored(&self, tenant: &TenantId) -> Option<Arc<Stored>> {
        let limit = self.settings.limit(tenant, Quota::StoredBytes)?;
        let new = || Arc::new(Stored::new(limit));
        Some(self.stored.get_with(tenant.clone(), new))
    }

    async fn count_nodes(&self) {
        // While the database is away the last number stays.
        if let Ok(nodes) = self.storage.list_nodes().await {
            let nodes = nodes.len() as u64;
            self.common.nodes.store(nodes, Ordering::Relaxed);
        }
    }
}

fn refusal(quota: Quota, wait: Duration) -> Refusal {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    Refusal::QuotaExceeded {
        quota: Some(quota.name()),
        retry_after_ms: millis.max(1),
    }
}

fn exceeded(quota: Quota, wait: Duration) -> storage::Error {
    storage::Error::Refused(refusal(quota, wait))
}
