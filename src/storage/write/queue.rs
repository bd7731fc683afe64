//! What claims ask of the queues, and what they get.

use std::borrow::Cow;

use super::shares::Shares;
use crate::model::{ExecutionId, TenantId};

/// What a claim wants of a queue.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) queue: Cow<'static, str>,
    pub(super) slots: usize,
    pub(super) roots: usize,
    pub(super) after: Option<TenantId>,
    pub(super) shares: Shares,
}

/// What left a queue.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) picked: Vec<ExecutionId>,
    pub(super) last: Option<TenantId>,
    pub(super) more_wait: bool,
    pub(super) go_on: bool,
}
