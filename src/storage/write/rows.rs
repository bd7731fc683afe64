//! Rows as a transaction holds them.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use crate::model::{ExecutionId, Micros, RawJson, Refusal, Session, SessionStatus, TenantId};

/// The rows of one table that a transaction has loaded or made. They are looked at by [`Self::see`] and
/// changed by [`Self::change`]; what was changed is written back.
#[derive(Debug)]
pub(super) struct Held<K, T>(HashMap<K, Row<T>>);

#[derive(Debug)]
struct Row<T> {
    value: T,
    /// Not in the database yet.
    is_new: bool,
    is_changed: bool,
}

impl<K, T> Default for Held<K, T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, T> Held<K, T> {
    /// Takes in a whole row of the database.
    pub(super) fn load(&mut self, key: K, row: T) {
        self.hold(key, row, false);
    }

    /// Makes a row.
    pub(super) fn make(&mut self, key: K, row: T) {
        self.hold(key, row, true);
    }

    fn hold(&mut self, key: K, value: T, is_new: bool) {
        let row = Row {
            value,
            is_new,
            is_changed: false,
        };
        self.0.insert(key, row);
    }

    /// The row as this transaction has left it so far.
    pub(super) fn see(&self, key: &K) -> Option<&T> {
        self.0.get(key).map(|held| &held.value)
    }

    /// The row, to be changed and written back.
    pub(super) fn change(&mut self, key: &K) -> Option<&mut T> {
        let held = self.0.get_mut(key)?;
        held.is_changed = true;
        Some(&mut held.value)
    }

    pub(super) fn has(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.values().map(|held| &held.value)
    }

    /// Those to be inserted, with their keys.
    pub(super) fn made(&self) -> impl Iterator<Item = (&K, &T)> {
        let new = self.0.iter().filter(|(_, held)| held.is_new);
        new.map(|(key, held)| (key, &held.value))
    }

    /// Those to be updated, with their keys.
    pub(super) fn changed(&self) -> impl Iterator<Item = (&K, &T)> {
        let changed = |(_, held): &(&K, &Row<T>)| held.is_changed && !held.is_new;
        let changed = self.0.iter().filter(changed);
        changed.map(|(key, held)| (key, &held.value))
    }
}

#[derive(Debug, Clone)]
pub(super) struct StateRow {
    pub(super) tenant_id: TenantId,
    pub(super) state: RawJson,
    pub(super) version: i64,
}

/// An execution whose node is dead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) id: ExecutionId,
    /// False when the node gave its lease up by itself.
    pub(super) process_gone: bool,
    /// True if nothing else ran on the node.
    pub(super) was_alone: bool,
}

/// A cancellation of an execution further up that is under way.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) reason: Option<String>,
    pub(super) actor: String,
}

/// The part of a session that says whether it takes anything, and from whom.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) status: SessionStatus,
    pub(super) expires_at: Micros,
    pub(super) user_id: Option<Arc<str>>,
}

impl Standing {
    pub(super) fn of(session: &Session) -> Self {
        Self {
            status: session.status,
            expires_at: session.expires_at,
            user_id: session.user_id.as_deref().map(Into::into),
        }
    }

    /// Refuses when the session has ended, or its time has passed.
    pub(super) fn check(&self, now: Micros) -> Result<(), Refusal> {
        let status = self.status.when(self.expires_at <= now);
        if status.accepts_writes() {
            Ok(())
        } else {
            Err(Refusal::SessionNotActive { status })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_only_seen_is_not_written() {
        let mut held: Held<u8, &str> = Held::default();
        held.load(1, "seen");
        held.load(2, "before");
        held.make(3, "made");
        assert_eq!(held.see(&1), Some(&"seen"));
        *held.change(&2).unwrap() = "after";
        *held.change(&3).unwrap() = "made and changed";
        assert!(held.change(&4).is_none() && !held.has(&4));
        assert_eq!(held.changed().collect::<Vec<_>>(), [(&2, &"after")]);
        assert_eq!(held.made().collect::<Vec<_>>(), [(&3, &"made and changed")]);
    }
}
