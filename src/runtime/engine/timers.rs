//! Firing what is due: delayed starts, further attempts, deadlines.

use std::{sync::Arc, time::Duration};

use super::{BATCH, Engine, lock};
use crate::storage::Error;

impl Engine {
    pub(super) async fn timer_loop(self: Arc<Self>) {
        while !self.draining.is_cancelled() {
            let pause = match self.fire_due().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "timers could not be fired");
                    self.settings.poll
                }
            };
            tokio::select! {
                () = self.timers.changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Fires what is due; how long until the next look.
    async fn fire_due(&self) -> Result<Duration, Error> {
        loop {
            *lock(&self.timers.next) = None;
            let Some(due_in) = self.storage.next_timer_in().await? else {
                return Ok(self.settings.poll);
            };
            if due_in > 0 {
                *lock(&self.timers.next) = Some(self.clock.now() + due_in);
                let pause = Duration::from_micros(due_in.unsigned_abs());
                return Ok(pause.min(self.settings.poll));
            }
            self.storage.fire_timers(BATCH).await?;
        }
    }
}
