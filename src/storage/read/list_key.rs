//! The keys by which the rows of lists are told apart.

use sea_orm::{TryGetable, Value};
use uuid::Uuid;

use crate::model::{ExecutionId, Micros};

/// The key of a list's rows.
pub(super) trait ListKey: Into<Value> + TryGetable + Copy + Ord {
    /// No row has a lower one.
    const LEAST: Self;
    /// No row has a higher one.
    const GREATEST: Self;

    /// When it was made, if it tells.
    fn made_at(self) -> Option<Micros>;
}

impl ListKey for Uuid {
    const LEAST: Self = Self::nil();
    const GREATEST: Self = Self::max();

    fn made_at(self) -> Option<Micros> {
        ExecutionId(self).made_at()
    }
}

impl ListKey for i64 {
    const LEAST: Self = Self::MIN;
    const GREATEST: Self = Self::MAX;

    fn made_at(self) -> Option<Micros> {
        None
    }
}
