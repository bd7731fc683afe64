//! The rows that a transaction writes beside those that it has loaded or made.

use std::collections::{BTreeMap, BTreeSet};

use entity::{
    artifact_found, browser_logout, cancellation, checkpoint, content_release, data_key,
    execution_count, lease, ready, schedule_run, step, timer, upload,
};

use super::{
    super::{places::TimerKind, sql::Rows},
    counts::CountOf,
    keys::{KeyClaim, KeyName},
    notice::Notice,
    removal::Removals,
};
use crate::model::{
    ArtifactId, ArtifactTransition, Event, ExecutionId, Materialization, ScheduleId, Upload,
};

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
    pub(super) checkpoints: Vec<checkpoint::Model>,
    pub(super) data_keys_in: Vec<data_key::Model>,
    pub(super) data_keys_over: Vec<data_key::Model>,
    pub(super) logouts_in: BTreeMap<String, browser_logout::Model>,
    pub(super) logouts_out: BTreeSet<String>,
    /// Keys of requests to be forgotten, if their time has passed.
    pub(super) keys_forgotten: Vec<Rows>,
    pub(super) removals: Removals,
    /// Executions that were accepted or ended.
    pub(super) counts: BTreeMap<CountOf, i64>,
    /// Counts that are part of others from now on, and those others.
    pub(super) counts_out: Vec<execution_count::Model>,
    pub(super) counts_rolled: BTreeMap<(CountOf, i64), i64>,
    pub(super) schedule_runs: Vec<schedule_run::Model>,
    pub(super) schedules_out: BTreeSet<ScheduleId>,
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
