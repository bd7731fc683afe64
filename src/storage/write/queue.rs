//! Claims on the queues, and what they get.

use std::borrow::Cow;

use super::shares::Shares;
use crate::model::{ExecutionId, TenantId};

/// The part of a claim that the queues must know.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) queue: Cow<'static, str>,
    pub(super) slots: usize,
    pub(super) roots: usize,
    pub(super) after: Option<TenantId>,
    pub(super) shares: Shares,
}

/// The executions that left a queue.
#[derive(Debug, Default)]
pub(super) struct Claimed {
    pub(super) picked: Vec<ExecutionId>,
    pub(super) last: Option<TenantId>,
    pub(super) more_wait: bool,
    pub(super) go_on: bool,
}
