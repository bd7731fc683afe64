//! Keys and secrets of sessions that this node has found good: whether they were revoked since, and when keys were
//! last used.
//!
//! The database is asked for all of them together, now and then. A proof that was found good before counts only
//! while the last answer is recent ([`KeysInUse::are_watched`]), so a node that is cut off from the database
//! does not go on with keys that may have been revoked.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use super::revocation::Revocation;
use crate::{
    model::{KeyId, Micros, SessionId, TenantId},
    storage::{Error, Storage},
};

/// The interval at which the database is asked for revoked keys.
pub(super) const CHECK_EVERY: Duration = Duration::from_secs(2);

/// The time for which a proof that was found good before counts without an answer of the database.
const TRUSTED_FOR: Duration = Duration::from_secs(5);

/// A key's last use is written so often at most.
const NOTE_EVERY_MICROS: Micros = 60_000_000;

/// Keys in one statement.
const AT_ONCE: usize = 1_000;

/// A key that was found good.
#[derive(Debug)]
pub(super) struct KeyInUse {
    id: KeyId,
    revocation: Arc<Revocation>,
    last_used_at: AtomicI64,
    noted_at: AtomicI64,
}

impl KeyInUse {
    fn new(id: KeyId, last_used_at: Option<Micros>) -> Self {
        let last_used_at = last_used_at.unwrap_or_default();
        Self {
            id,
            revocation: Arc::default(),
            last_used_at: AtomicI64::new(last_used_at),
            noted_at: AtomicI64::new(last_used_at),
        }
    }

    /// Comes when the key is revoked.
    pub(super) fn revocation(&self) -> &Arc<Revocation> {
        &self.revocation
    }

    /// Notes a use; requests at once do not all write to the same place.
    pub(super) fn used(&self, now: Micros) {
        const PRECISION_MICROS: Micros = 1_000_000;
        if now - self.last_used_at.load(Ordering::Relaxed) >= PRECISION_MICROS {
            self.last_used_at.store(now, Ordering::Relaxed);
        }
    }

    /// The last use, if it is to be written.
    fn to_note(&self) -> Option<(KeyId, Micros)> {
        let used = self.last_used_at.load(Ordering::Relaxed);
        let noted = self.noted_at.load(Ordering::Relaxed);
        (used - noted >= NOTE_EVERY_MICROS).then_some((self.id, used))
    }
}

/// The keys that this node has found good.
#[derive(Debug)]
pub(super) struct KeysInUse {
    keys: Mutex<HashMap<KeyId, Arc<KeyInUse>>>,
    /// What ends with the secrets of anonymous sessions.
    sessions: Mutex<HashMap<SessionId, Arc<Revocation>>>,
    began: Instant,
    /// When the database last told of all of them, in microseconds after `began`.
    checked: AtomicI64,
}

impl KeysInUse {
    pub(super) fn new() -> Self {
        Self {
            keys: Mutex::default(),
            sessions: Mutex::default(),
            began: Instant::now(),
            checked: AtomicI64::new(0),
        }
    }

    /// The key, known from now on until nobody has it any more.
    pub(super) fn enter(&self, id: KeyId, last_used_at: Option<Micros>) -> Arc<KeyInUse> {
        let mut keys = self.keys();
        let new = || Arc::new(KeyInUse::new(id, last_used_at));
        Arc::clone(keys.entry(id).or_insert_with(new))
    }

    /// Returns whether the database has told lately which keys are revoked.
    pub(super) fn are_watched(&self) -> bool {
        let checked = self.checked.load(Ordering::Relaxed).unsigned_abs();
        let age = self.began.elapsed();
        age.saturating_sub(Duration::from_micros(checked)) < TRUSTED_FOR
    }

    /// Ends what a key has proved on this node.
    pub(super) fn revoke(&self, id: KeyId) {
        if let Some(key) = self.keys().get(&id) {
            key.revocation.revoke();
        }
    }

    /// The end of a session's secret, known from now on until nobody waits for it any more.
    pub(super) fn enter_session(&self, id: SessionId) -> Arc<Revocation> {
        Arc::clone(self.sessions().entry(id).or_default())
    }

    /// Ends what the secret of a session has proved on this node.
    pub(super) fn revoke_session(&self, id: SessionId) {
        if let Some(secret) = self.sessions().get(&id) {
            secret.revoke();
        }
    }

    /// Asks which secrets of a tenant's sessions have ended.
    async fn check_sessions(&self, storage: &Storage, tenant: &TenantId) -> Result<(), Error> {
        let known: Vec<SessionId> = {
            let mut sessions = self.sessions();
            sessions.retain(|_, secret| Arc::strong_count(secret) > 1);
            sessions.keys().copied().collect()
        };
        for ids in known.chunks(AT_ONCE) {
            for id in storage.ended_session_secrets(tenant, ids).await? {
                tracing::debug!(session = %id, "the secret of the session has ended");
                self.revoke_session(id);
            }
        }
        Ok(())
    }

    /// The time by which answers of the database are dated.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Asks which keys are revoked, and which secrets of the sessions of `anonymous`, and writes when keys were used. What
    /// else is watched was asked for at `asked` or later.
    pub(super) async fn check(
        &self,
        storage: &Storage,
        anonymous: Option<&TenantId>,
        asked: Duration,
    ) -> Result<(), Error> {
        if let Some(tenant) = anonymous {
            self.check_sessions(storage, tenant).await?;
        }
        let ids = self.known();
        for ids in ids.chunks(AT_ONCE) {
            for id in storage.revoked_keys(ids).await? {
                tracing::info!(key = %id, "the key was revoked");
                self.revoke(id);
            }
        }
        let asked = i64::try_from(asked.as_micros()).unwrap_or(i64::MAX);
        self.checked.store(asked, Ordering::Relaxed);
        self.note_uses(storage).await
    }

    /// Those that somebody has, or whose last use is to be written.
    fn known(&self) -> Vec<KeyId> {
        let mut keys = self.keys();
        keys.retain(|_, key| Arc::strong_count(key) > 1 || key.to_note().is_some());
        keys.keys().copied().collect()
    }

    async fn note_uses(&self, storage: &Storage) -> Result<(), Error> {
        let uses: Vec<_> = self
            .keys()
            .values()
            .filter_map(|key| key.to_note())
            .collect();
        for uses in uses.chunks(AT_ONCE) {
            storage.note_key_uses(uses.to_vec()).await?;
            let keys = self.keys();
            for (id, at) in uses {
                if let Some(key) = keys.get(id) {
                    key.noted_at.store(*at, Ordering::Relaxed);
                }
            }
        }
        Ok(())
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Revocation>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<KeyId, Arc<KeyInUse>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> KeyId {
        KeyId(uuid::Uuid::from_u128(number))
    }

    #[test]
    fn a_key_is_revoked_by_its_id() {
        let keys = KeysInUse::new();
        let key = keys.enter(id(1), None);
        keys.revoke(id(2));
        assert!(!key.revocation().has_come(), "another key");
        keys.revoke(id(1));
        assert!(key.revocation().has_come());
        assert!(keys.enter(id(1), None).revocation().has_come(), "for ever");
    }

    #[test]
    fn a_use_is_to_be_written_a_minute_after_the_last_one_that_was() {
        let key = KeyInUse::new(id(1), Some(1_000_000_000));
        for (now, expected) in [
            (1_000_000_001, None),
            (1_059_999_999, None),
            (1_060_000_000, None),
            (1_062_000_000, Some((id(1), 1_062_000_000))),
        ] {
            key.used(now);
            assert_eq!(key.to_note(), expected, "{now}");
        }
    }

    #[test]
    fn a_key_that_nobody_has_is_forgotten() {
        let keys = KeysInUse::new();
        let one = keys.enter(id(1), None);
        drop(keys.enter(id(2), None));
        assert_eq!(keys.known(), [id(1)]);
        drop(one);
        assert_eq!(keys.known(), []);
    }
}
