//! The rows that a transaction writes beside those that it has loaded or made.

use std::collections::{BTreeMap, BTreeSet};

use entity::{artifact_found, cancellation, content_release, lease, ready, step, timer, upload};

use super::{
    super::places::TimerKind,
    keys::{KeyClaim, KeyName},
    notice::Notice,
};
use crate::model::{ArtifactId, ArtifactTransition, Event, ExecutionId, Materialization, Upload};

/// The rows that will be inserted and deleted, by table.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) events: Vec<Event>,
    pub(super) ready_in: BTreeMap<ExecutionId, ready::Model>,
    pub(super) timers_in: BTreeMap<(ExecutionId, i64), timer::Model>,
    pub(super) unqueued: BTreeSet<ExecutionId>,
    pub(super) leases_in: BTreeMap<ExecutionId, lease::Model>,
    pub(super) leases_out: BTreeSet<ExecutionId>,
    /// Executions that no longer run alone.
    pub(super) accompanied: BTreeSet<ExecutionId>,
    pub(super) steps: Vec<step::Model>,
    pub(super) keys_changed: BTreeMap<KeyName, KeyClaim>,
    pub(super) transitions: Vec<(i64, ArtifactTransition)>,
    pub(super) materializations: Vec<Materialization>,
    pub(super) uploads: Vec<Upload>,
    pub(super) uploads_done: Vec<upload::ActiveModel>,
    pub(super) artifacts_found: Vec<artifact_found::Model>,
    pub(super) releases_in: Vec<content_release::Model>,
    pub(super) releases_aside: Vec<content_release::ActiveModel>,
    pub(super) releases_out: Vec<ArtifactId>,
    pub(super) marks_in: BTreeMap<ExecutionId, cancellation::Model>,
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
