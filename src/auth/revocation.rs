//! The early end of what proofs rest on: a key of the API, or a key by which tokens are signed.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Something that may be revoked, once. Whoever waits is told, and so is who comes later.
#[derive(Debug, Default)]
pub(super) struct Revocation {
    has_come: AtomicBool,
    told: Notify,
}

impl Revocation {
    pub(super) fn has_come(&self) -> bool {
        self.has_come.load(Ordering::Acquire)
    }

    /// Returns when it has come.
    pub(super) async fn come(&self) {
        loop {
            let told = self.told.notified();
            if self.has_come() {
                return;
            }
            told.await;
        }
    }

    pub(super) fn revoke(&self) {
        self.has_come.store(true, Ordering::Release);
        self.told.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_is_told_and_so_is_who_comes_later() {
        let revocation = Arc::new(Revocation::default());
        let waiting = tokio::spawn({
            let revocation = Arc::clone(&revocation);
            async move { revocation.come().await }
        });
        tokio::task::yield_now().await;
        assert!(!revocation.has_come());
        revocation.revoke();
        waiting.await.unwrap();
        revocation.come().await;
        assert!(revocation.has_come());
    }
}
