//! What a transaction writes beside the rows that it has loaded or made.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    super::{places::TimerKind, sql::Cell},
    notice::Notice,
    submit::{KeyClaim, KeyName},
};
use crate::model::{ArtifactId, ArtifactTransition, Event, ExecutionId, Materialization};

/// The rows that will be inserted and deleted, by table.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) events: Vec<Event>,
    pub(super) ready_in: BTreeMap<ExecutionId, Vec<Cell>>,
    pub(super) timers_in: BTreeMap<(ExecutionId, i64), Vec<Cell>>,
    pub(super) unqueued: BTreeSet<ExecutionId>,
    pub(super) leases_in: BTreeMap<ExecutionId, Vec<Cell>>,
    pub(super) leases_out: BTreeSet<ExecutionId>,
    /// Executions that no longer run alone.
    pub(super) accompanied: BTreeSet<ExecutionId>,
    pub(super) steps: Vec<Vec<Cell>>,
    pub(super) keys_changed: BTreeMap<KeyName, KeyClaim>,
    pub(super) transitions: Vec<(i64, ArtifactTransition)>,
    pub(super) materializations: Vec<Materialization>,
    pub(super) uploads: Vec<Vec<Cell>>,
    pub(super) uploads_done: Vec<Vec<Cell>>,
    pub(super) artifacts_found: Vec<Vec<Cell>>,
    pub(super) releases_in: Vec<Vec<Cell>>,
    pub(super) releases_aside: Vec<Vec<Cell>>,
    pub(super) releases_out: Vec<ArtifactId>,
    pub(super) marks_in: BTreeMap<ExecutionId, Vec<Cell>>,
    pub(super) marks_touched: BTreeSet<ExecutionId>,
    pub(super) marks_out: BTreeSet<ExecutionId>,
    pub(super) notices: Vec<Notice>,
}

impl Changes {
    /// Takes an execution out of its queue and drops its timers, those of this transaction included.
    pub(super) fn unqueue(&mut self, id: ExecutionId) {
        self.ready_in.remove(&id);
        for kind in TimerKind::ALL {
            self.timers_in.remove(&(id, kind as i64));
        }
        self.unqueued.insert(id);
    }

    /// Drops an execution's lease, that of this transaction included.
    pub(super) fn drop_lease(&mut self, id: ExecutionId) {
        self.leases_in.remove(&id);
        self.leases_out.insert(id);
    }
}
