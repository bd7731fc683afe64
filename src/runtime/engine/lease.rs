//! The lease of a node: it is prolonged on a thread and by a connection that nothing else can hold up,
//! for to lose it ends everything that runs here.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures::FutureExt;
use tokio::sync::oneshot;

use super::{Engine, lock};
use crate::{
    model::NodeId,
    runtime::error::Error,
    storage::{LeaseConnection, NodeInfo},
};

/// Nobody takes the lease of a process that is alone with its database.
const UNCONTESTED: Duration = Duration::from_hours(24 * 365);

/// The longest time that a stop waits for the lease to be given back.
const RELEASED_WITHIN: Duration = Duration::from_secs(5);

/// The outcome of an attempt to keep the lease.
struct Beat {
    /// Until when this process may act on it; none when the lease is lost.
    valid_until: Option<Instant>,
    is_due_again: bool,
}

impl Beat {
    const LOST: Self = Self {
        valid_until: None,
        is_due_again: true,
    };

    fn held_until(until: Instant) -> Self {
        Self {
            valid_until: Some(until),
            is_due_again: false,
        }
    }
}

impl Engine {
    /// Announces the node, and keeps its lease from then on.
    pub(super) async fn hold_lease(self: &Arc<Self>) -> Result<(), Error> {
        let connection = self.storage.lease_connection();
        let (announced, is_announced) = oneshot::channel();
        let kept = Arc::clone(self).lease_loop(connection, announced);
        *lock(&self.lease.task) = Some(self.lease.thread.spawn(kept));
        is_announced.await.unwrap_or(Err(Error::ShuttingDown))
    }

    /// Ends the incarnation, so that others need not wait until its lease has run out.
    pub(super) async fn release_lease(&self) {
        let Some(task) = lock(&self.lease.task).take() else {
            return;
        };
        let node = self.node_id();
        let released = self.lease.thread.spawn(async move {
            let Ok(mut connection) = task.await else {
                return Err(Error::ShuttingDown);
            };
            connection.retire(node).await.map_err(Error::from)
        });
        match tokio::time::timeout(RELEASED_WITHIN, released).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "the node's lease was not given back; it runs out by itself");
            }
            Ok(Err(_)) | Err(_) => {
                tracing::warn!(
                    "the node's lease was not given back in time; it runs out by itself"
                );
            }
        }
    }

    async fn lease_loop(
        self: Arc<Self>,
        mut connection: LeaseConnection,
        announced: oneshot::Sender<Result<(), Error>>,
    ) -> LeaseConnection {
        let stopped = self.stopped.clone().cancelled_owned();
        tokio::select! {
            () = stopped => {}
            () = self.keep_lease(&mut connection, announced) => {}
        }
        connection
    }

    async fn keep_lease(
        &self,
        connection: &mut LeaseConnection,
        announced: oneshot::Sender<Result<(), Error>>,
    ) {
        let asked = Instant::now();
        let (info, micros) = self.lease_wanted();
        let first = connection.announce(&info, micros).await;
        let is_held = first.is_ok();
        if announced.send(first.map_err(Error::from)).is_err() || !is_held {
            return;
        }
        let mut valid_until = Some(asked + self.held());
        loop {
            let kept = AssertUnwindSafe(self.beat_for_ever(connection, valid_until)).catch_unwind();
            if kept.await.is_err() {
                tracing::error!("keeping the lease panicked; what runs here is given up");
            }
            self.lose_everything();
            valid_until = None;
            tokio::time::sleep(self.retry_pause()).await;
        }
    }

    /// Prolongs the lease. A node that was declared dead, or could not prolong in time, stops what
    /// it runs and goes on under a new incarnation.
    async fn beat_for_ever(
        &self,
        connection: &mut LeaseConnection,
        mut valid_until: Option<Instant>,
    ) {
        let mut is_due_again = valid_until.is_none();
        loop {
            // An answer that took long leaves less time than a heartbeat.
            let left = valid_until.map(|until| until.saturating_duration_since(Instant::now()));
            let pause = match left {
                Some(left) if !is_due_again => self.settings.heartbeat.min(left / 2),
                _ => self.retry_pause(),
            };
            tokio::time::sleep(pause).await;
            let asked = Instant::now();
            let beat = match valid_until {
                Some(until) => self.prolong(connection, asked, until).await,
                None => self.reincarnate(connection, asked).await,
            };
            (valid_until, is_due_again) = (beat.valid_until, beat.is_due_again);
        }
    }

    /// Returns the time for which a beat holds here. Others may take over when the lease is out;
    /// this process stops its handlers before.
    fn held(&self) -> Duration {
        if self.settings.is_alone {
            return UNCONTESTED;
        }
        self.settings.lease.saturating_sub(self.settings.lease / 5)
    }

    /// Returns the time after which a beat that failed is tried again.
    fn retry_pause(&self) -> Duration {
        self.settings.heartbeat / 5
    }

    async fn prolong(
        &self,
        connection: &mut LeaseConnection,
        asked: Instant,
        until: Instant,
    ) -> Beat {
        let left = until.saturating_duration_since(asked);
        let (info, micros) = self.lease_wanted();
        match tokio::time::timeout(left, connection.prolong(&info, micros)).await {
            Ok(Ok(true)) => return Beat::held_until(asked + self.held()),
            Ok(Ok(false)) => {
                tracing::warn!("this node was declared dead; it goes on under a new incarnation");
                self.lose_everything();
                return self.reincarnate(connection, Instant::now()).await;
            }
            Ok(Err(error)) => tracing::warn!(%error, "the lease was not prolonged"),
            Err(_) => tracing::warn!("the lease was not prolonged in time"),
        }
        if Instant::now() + self.retry_pause() < until {
            return Beat {
                valid_until: Some(until),
                is_due_again: true,
            };
        }
        tracing::warn!("the lease runs out; what runs here is given up");
        self.lose_everything();
        Beat::LOST
    }

    /// Begins a new incarnation, and ends the one before so that what it held may be taken at once.
    async fn reincarnate(&self, connection: &mut LeaseConnection, asked: Instant) -> Beat {
        let old = self.node_id();
        let new = self.ids.node();
        self.lease.begin_incarnation(new);
        let (info, micros) = self.lease_wanted();
        // A later answer would leave too little of the lease.
        match tokio::time::timeout(self.held() / 2, connection.announce(&info, micros)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the new incarnation was not announced");
                return Beat::LOST;
            }
            Err(_) => return Beat::LOST,
        }
        // First: what the old one held is not to be counted as lost with its process.
        self.end_incarnation(connection, old).await;
        // What took this node's lease, such as an outage of the database, may have taken others'.
        let until = Instant::now() + self.settings.heartbeat;
        *lock(&self.lease.others_may_return_until) = Some(until);
        self.lease.is_held.store(true, Ordering::Relaxed);
        self.slots.look();
        tracing::info!(node_id = %self.node_id().0, "the node goes on under a new incarnation");
        Beat::held_until(asked + self.held())
    }

    async fn end_incarnation(&self, connection: &mut LeaseConnection, old: NodeId) {
        // The new lease has to be prolonged in time.
        let ended = tokio::time::timeout(self.held() / 4, connection.retire(old)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the old incarnation was not ended; its lease runs out by itself");
        }
    }

    /// Returns the node's description of itself, and the microseconds for which it wants the lease.
    fn lease_wanted(&self) -> (NodeInfo, i64) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let (now, (is_draining, request)) = (self.clock.now(), self.drain.state());
        let info = NodeInfo {
            id: self.node_id(),
            name: self.settings.node_name.clone(),
            labels: self.settings.labels.clone(),
            version: super::VERSION.to_owned(),
            capacity: count(self.settings.max_concurrent_executions),
            running: count(self.running.count()),
            started_at: 0,
            beat_at: None,
            expires_at: 0,
            is_draining,
            drain_requested_at: request.map(|_| now),
            hand_over_at: request
                .and_then(|it| it.hand_over_in)
                .map(|left| now + left),
            holds: false,
        };
        let micros = i64::try_from(self.settings.lease.as_micros()).unwrap_or(i64::MAX);
        (info, micros)
    }

    /// Ends every handler of this node without recording anything; none begins until the next
    /// incarnation.
    pub(super) fn lose_everything(&self) {
        self.lease.is_held.store(false, Ordering::Relaxed);
        self.running.lose_all();
        self.webhooks.lose_all();
    }
}
