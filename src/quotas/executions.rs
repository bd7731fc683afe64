//! How many executions of a tenant may be there that have not ended.
//!
//! They are counted in the database. Then half of the room that was found, divided by the nodes, may be used for a
//! while before they are counted again, and what a node has begun and not yet written counts for it as well. So the nodes
//! exceed the limit by what others of them begin in the same moment alone, and a tenant that is far from it is hardly ever
//! counted.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{
    model::{ExecutionStatus, TenantScope},
    storage::{self, ExecutionFilter, Storage},
};

/// Executions end as well, so what was counted is true for so long.
const FRESH: Duration = Duration::from_secs(1);
/// Room that was found is used for so long: other nodes have counted meanwhile, too.
const ROOM_LASTS: Duration = Duration::from_secs(5);

/// The executions of one tenant.
#[derive(Debug)]
pub(super) struct Executions {
    limit: u64,
    state: Mutex<Option<State>>,
    /// Begun by this node and perhaps not written yet.
    beginning: AtomicU64,
    /// One counts for all.
    counting: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    is_full: bool,
    at: Instant,
    /// Those that may be begun before they are counted again.
    room: u64,
}

/// Executions that are begun: until it is dropped, they count as if they were written.
#[derive(Debug)]
pub(crate) struct Begun(Option<Arc<Executions>>);

impl Begun {
    /// One where they are not limited.
    pub(super) fn unlimited() -> Self {
        Self(None)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(executions) = &self.0 {
            executions.beginning.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Executions {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            state: Mutex::new(None),
            beginning: AtomicU64::new(0),
            counting: tokio::sync::Mutex::new(()),
        }
    }

    /// Begins one more; `nodes` do so at the same time.
    ///
    /// # Errors
    /// The outer one when the database does not answer; the inner one when there would be too many: when they may have
    /// become fewer.
    pub(super) async fn begin(
        self: &Arc<Self>,
        storage: &Storage,
        scope: &TenantScope,
        nodes: u64,
    ) -> Result<Result<Begun, Duration>, storage::Error> {
        if let Some(begun) = self.begin_in_room() {
            return Ok(Ok(begun));
        }
        let _one = self.counting.lock().await;
        if let Some(begun) = self.begin_in_room() {
            return Ok(Ok(begun));
        }
        let last = *self.state();
        let last = last.filter(|last| last.is_full && last.at.elapsed() < FRESH);
        if let Some(last) = last {
            return Ok(Err(FRESH.saturating_sub(last.at.elapsed())));
        }
        // Looked at first: one that is written meanwhile counts twice, and none is missed.
        let beginning = self.beginning.load(Ordering::Relaxed);
        let counted = count_live(storage, scope).await?;
        let free = self.limit.saturating_sub(counted + beginning);
        *self.state() = Some(State {
            is_full: free == 0,
            at: Instant::now(),
            room: (free / (2 * nodes)).saturating_sub(1),
        });
        Ok(if free == 0 {
            Err(FRESH)
        } else {
            Ok(self.begun())
        })
    }

    fn begin_in_room(self: &Arc<Self>) -> Option<Begun> {
        let mut state = self.state();
        let state = state
            .as_mut()
            .filter(|state| state.at.elapsed() < ROOM_LASTS)?;
        state.room = state.room.checked_sub(1)?;
        Some(self.begun())
    }

    fn begun(self: &Arc<Self>) -> Begun {
        self.beginning.fetch_add(1, Ordering::Relaxed);
        Begun(Some(Arc::clone(self)))
    }

    /// The most executions.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Those that are left, as far as this node knows.
    pub(super) async fn left(
        &self,
        storage: &Storage,
        scope: &TenantScope,
    ) -> Result<u64, storage::Error> {
        Ok(self.limit.saturating_sub(count_live(storage, scope).await?))
    }

    fn state(&self) -> MutexGuard<'_, Option<State>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn count_live(storage: &Storage, scope: &TenantScope) -> Result<u64, storage::Error> {
    let live = ExecutionFilter {
        statuses: vec![ExecutionStatus::Created, ExecutionStatus::Running],
        ..ExecutionFilter::default()
    };
    let counted = storage.count_executions(scope, &live).await?;
    Ok(u64::from(counted.count) + u64::from(!counted.exact))
}
