//! Hints that wait to be sent, merged: of an execution only the last sequence counts, of timers
//! only the earliest. So their number is bounded by what is going on, not by how often it is said.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
};

use crate::{
    model::{ExecutionId, Micros, NodeId, SessionId, TenantId},
    storage::Notice,
};

/// Beyond this many executions the hint is only that something was left out.
const MAX_EXECUTIONS: usize = 20_000;

/// The last position of a stream that is to be announced.
#[derive(Debug, Clone, PartialEq, Eq)]
struct StreamPosition {
    tenant_id: TenantId,
    session_id: SessionId,
    seq: i64,
    terminal: bool,
}

/// Hints that wait to be sent, merged: one for each execution, queue and session.
#[derive(Debug, Default)]
pub(super) struct Pending {
    heads: HashMap<ExecutionId, StreamPosition>,
    cancels: HashSet<ExecutionId>,
    timer: Option<Micros>,
    /// The queues that have something.
    ready: BTreeSet<Cow<'static, str>>,
    /// Nodes of which something was asked.
    asked: BTreeSet<NodeId>,
    dropped: bool,
}

impl Pending {
    pub(super) fn add(&mut self, notices: &[Notice]) {
        for notice in notices {
            match notice {
                Notice::Events { .. } => self.add_head(notice),
                Notice::Ready { queue } => {
                    if !self.ready.contains(queue) {
                        self.ready.insert(queue.clone());
                    }
                }
                Notice::ChildEnded(_) | Notice::CancelBelow(_) | Notice::Overtaken { .. } => {}
                Notice::Timer(at) => {
                    self.timer = Some(self.timer.map_or(*at, |known| known.min(*at)));
                }
                Notice::Cancel(id) if self.cancels.len() < MAX_EXECUTIONS => {
                    self.cancels.insert(*id);
                }
                Notice::NodeAsked(node) if self.asked.len() < MAX_EXECUTIONS => {
                    self.asked.insert(*node);
                }
                Notice::Cancel(_) | Notice::NodeAsked(_) => self.dropped = true,
            }
        }
    }

    fn add_head(&mut self, notice: &Notice) {
        let Notice::Events {
            tenant_id,
            session_id,
            execution_id,
            seq,
            terminal,
        } = notice
        else {
            return;
        };
        if let Some(head) = self.heads.get_mut(execution_id) {
            head.seq = head.seq.max(*seq);
            head.terminal |= terminal;
        } else if self.heads.len() < MAX_EXECUTIONS {
            let head = StreamPosition {
                tenant_id: tenant_id.clone(),
                session_id: *session_id,
                seq: *seq,
                terminal: *terminal,
            };
            self.heads.insert(*execution_id, head);
        } else {
            self.dropped = true;
        }
    }

    /// Something was meant to be said and was not.
    pub(super) fn note_dropped(&mut self) {
        self.dropped = true;
    }

    #[cfg(test)]
    pub(super) fn has_dropped(&self) -> bool {
        self.dropped
    }

    /// Takes the notices that wait, merged, and whether something was dropped; nothing waits
    /// afterwards.
    pub(super) fn take(&mut self) -> (Vec<Notice>, bool) {
        let Self {
            heads,
            cancels,
            timer,
            ready,
            asked,
            dropped,
        } = std::mem::take(self);
        // What can be acted on first goes first.
        let mut notices: Vec<Notice> = cancels.into_iter().map(Notice::Cancel).collect();
        notices.extend(ready.into_iter().map(Notice::ready));
        notices.extend(asked.into_iter().map(Notice::NodeAsked));
        notices.extend(timer.map(Notice::Timer));
        notices.extend(
            heads
                .into_iter()
                .map(|(execution_id, head)| Notice::Events {
                    tenant_id: head.tenant_id,
                    session_id: head.session_id,
                    execution_id,
                    seq: head.seq,
                    terminal: head.terminal,
                }),
        );
        (notices, dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn events(execution: u128, seq: i64, terminal: bool) -> Notice {
        Notice::Events {
            tenant_id: TenantId::default_tenant(),
            session_id: SessionId(Uuid::from_u128(1)),
            execution_id: ExecutionId(Uuid::from_u128(execution)),
            seq,
            terminal,
        }
    }

    #[test]
    fn what_is_said_twice_is_sent_once_with_the_last_word() {
        let mut pending = Pending::default();
        pending.add(&[events(1, 1, false), Notice::Timer(9), Notice::ready("node")]);
        pending.add(&[events(1, 3, true), Notice::Timer(5), Notice::ready("node")]);
        pending.add(&[events(1, 2, false), Notice::Timer(7)]);
        let (notices, dropped) = pending.take();
        assert_eq!(
            notices,
            [Notice::ready("node"), Notice::Timer(5), events(1, 3, true)]
        );
        assert!(!dropped);
        assert_eq!(pending.take(), (vec![], false));
    }

    #[test]
    fn beyond_the_bound_it_is_said_that_something_was_left_out() {
        let mut pending = Pending::default();
        let many: Vec<_> = (0..=MAX_EXECUTIONS as u128)
            .map(|n| events(n, 1, false))
            .collect();
        pending.add(&many);
        let (notices, dropped) = pending.take();
        assert_eq!((notices.len(), dropped), (MAX_EXECUTIONS, true));
    }
}
