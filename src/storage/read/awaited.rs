//! What live executions wait for, as a condition of a list.

use super::super::places::{LIMITED_QUEUE, LIVE, PARKED_QUEUE, PlaceState, TimerKind};
use crate::model::{Queue, WaitReason};

/// A parent that waits for children in memory is known by the newest of them.
pub(super) const NEWEST_CHILDREN: i64 = 10;

/// The condition that the live execution `id` waits for this; each place in it is the tenant's.
pub(super) fn waits_for(reason: WaitReason) -> String {
    let ready = |of: &str| {
        let workers = Queue::WORKERS;
        format!(
            "EXISTS (SELECT 1 FROM ready r WHERE r.execution_id = id AND r.tenant_id = ? \
             AND r.queue {of} '{workers}%')"
        )
    };
    let timer = |kind: TimerKind, of: &str| {
        let kind = kind.code();
        format!(
            "EXISTS (SELECT 1 FROM timer m WHERE m.execution_id = id AND m.tenant_id = ? AND m.kind = {kind} \
             AND m.queue {of})"
        )
    };
    let own = format!("NOT IN ('{PARKED_QUEUE}', '{LIMITED_QUEUE}')");
    match reason {
        // Which nodes live, and with which labels, is no condition of a statement.
        WaitReason::Queue | WaitReason::Node => ready("NOT LIKE"),
        WaitReason::Limit => format!(
            "(EXISTS (SELECT 1 FROM limit_place p WHERE p.execution_id = id AND p.tenant_id = ? AND p.state = {}) OR {})",
            PlaceState::Waiting.code(),
            timer(TimerKind::Start, &format!("= '{LIMITED_QUEUE}'")),
        ),
        WaitReason::Worker => ready("LIKE"),
        WaitReason::Schedule => timer(TimerKind::Start, &own),
        WaitReason::Retry => timer(TimerKind::Retry, &own),
        WaitReason::Children => format!(
            "({} OR EXISTS (SELECT 1 FROM lease l WHERE l.execution_id = id AND EXISTS \
             (SELECT 1 FROM (SELECT c.finished_at FROM execution c WHERE c.parent_id = l.execution_id \
             AND c.tenant_id || '' = ? AND c.child_key IS NOT NULL ORDER BY c.parent_id DESC, c.id DESC LIMIT {NEWEST_CHILDREN}) n \
             WHERE n.{LIVE})))",
            timer(TimerKind::Retry, &format!("= '{PARKED_QUEUE}'"))
        ),
    }
}
