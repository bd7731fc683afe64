//! How many bytes of content a tenant may have.
//!
//! To add them up, all artifacts of the tenant are read. So it is done in the background, while what was found last
//! stands with what has been announced since, and the longer it takes the less often.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    model::TenantScope,
    storage::{self, Storage},
};

/// What was found stands for so long at least.
const FRESH: Duration = Duration::from_secs(10);
/// And for so many times as long as it took to find.
const TIMES: u32 = 100;
/// It stands no longer than this once the limit was reached: content may have gone.
pub(super) const COME_BACK: Duration = Duration::from_secs(10);

/// The content of one tenant.
#[derive(Debug)]
pub(super) struct Stored {
    limit: u64,
    state: Mutex<Option<State>>,
    is_adding_up: AtomicBool,
    /// The first to ask adds up for all.
    first: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    bytes: u64,
    stands_until: Instant,
    /// Announced since then by this node.
    announced: u64,
}

impl State {
    fn used(&self) -> u64 {
        self.bytes.saturating_add(self.announced)
    }
}

impl Stored {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            state: Mutex::new(None),
            is_adding_up: AtomicBool::new(false),
            first: tokio::sync::Mutex::new(()),
        }
    }

    /// Announces `bytes` more; whether they fit.
    ///
    /// # Errors
    /// When the database does not answer the first time.
    pub(super) async fn announce(
        self: &Arc<Self>,
        storage: &Storage,
        scope: &TenantScope,
        bytes: u64,
    ) -> Result<bool, storage::Error> {
        self.know(storage, scope).await?;
        let mut state = self.state();
        let Some(state) = state.as_mut() else {
            return Ok(true);
        };
        let fits = state.used().saturating_add(bytes) <= self.limit;
        if fits {
            state.announced += bytes;
        }
        Ok(fits)
    }

    /// Returns whether as much is known to be there as may be. Nobody waits for it.
    pub(super) fn is_full(self: &Arc<Self>, storage: &Storage, scope: &TenantScope) -> bool {
        self.renew(storage, scope);
        let used = self.state().as_ref().map_or(0, State::used);
        used >= self.limit
    }

    /// The most bytes.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// The bytes that are left, as far as this node knows.
    pub(super) async fn left(
        self: &Arc<Self>,
        storage: &Storage,
        scope: &TenantScope,
    ) -> Result<u64, storage::Error> {
        self.know(storage, scope).await?;
        let used = self.state().as_ref().map_or(0, State::used);
        Ok(self.limit.saturating_sub(used))
    }

    async fn know(
        self: &Arc<Self>,
        storage: &Storage,
        scope: &TenantScope,
    ) -> Result<(), storage::Error> {
        if self.state().is_none() {
            let _one = self.first.lock().await;
            if self.state().is_none() {
                self.add_up(storage, scope).await?;
            }
        }
        self.renew(storage, scope);
        Ok(())
    }

    /// Adds up in the background what is not known, or no longer stands.
    fn renew(self: &Arc<Self>, storage: &Storage, scope: &TenantScope) {
        let now = Instant::now();
        let stands = self
            .state()
            .as_ref()
            .is_some_and(|it| it.stands_until > now);
        if stands || self.is_adding_up.swap(true, Ordering::Relaxed) {
            return;
        }
        let (this, storage, scope) = (Arc::clone(self), storage.clone(), scope.clone());
        tokio::spawn(async move {
            // While the database is away, the last sum stands.
            let _ = this.add_up(&storage, &scope).await;
            this.is_adding_up.store(false, Ordering::Relaxed);
        });
    }

    async fn add_up(&self, storage: &Storage, scope: &TenantScope) -> Result<(), storage::Error> {
        let began = Instant::now();
        let bytes = storage.stored_bytes(scope).await?;
        let stands = FRESH.max(began.elapsed() * TIMES);
        *self.state() = Some(State {
            bytes,
            stands_until: Instant::now() + stands,
            announced: 0,
        });
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
