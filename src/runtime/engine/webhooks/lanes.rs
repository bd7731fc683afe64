//! The events of a round by their executions, and what of a feed was acknowledged when some of them were.

use std::collections::{BTreeMap, HashSet};

use crate::model::{Cursor, Delivery, Event, ExecutionId};

/// The events of one execution, in their order.
pub(super) struct Lane<'a> {
    pub(super) execution: ExecutionId,
    pub(super) events: Vec<&'a Event>,
}

/// How far the deliveries of one execution have come in a round.
pub(super) struct LaneEnd {
    pub(super) execution: ExecutionId,
    /// The sequence of the last event that was acknowledged.
    pub(super) last: Option<i64>,
    /// True if the one behind it was not.
    pub(super) is_stuck: bool,
}

impl LaneEnd {
    pub(super) fn acknowledged(&self) -> Option<(ExecutionId, i64)> {
        Some((self.execution, self.last?))
    }
}

/// The events that are to be delivered, by their executions. Those that were not accepted before come last.
pub(super) fn lanes_of<'a>(
    events: &'a [Event],
    delivery: &Delivery,
    stuck: &HashSet<ExecutionId>,
) -> Vec<Lane<'a>> {
    let mut lanes: Vec<Lane<'_>> = Vec::new();
    for event in events {
        let Some(execution) = event.execution_id() else {
            continue;
        };
        let acknowledged = delivery.ahead.get(&execution);
        if acknowledged.is_some_and(|last| event.cursor.seq <= *last) {
            continue;
        }
        match lanes.iter_mut().find(|lane| lane.execution == execution) {
            Some(lane) => lane.events.push(event),
            None => lanes.push(Lane {
                execution,
                events: vec![event],
            }),
        }
    }
    lanes.sort_by_key(|lane| stuck.contains(&lane.execution));
    lanes
}

/// The place up to which every event was acknowledged, and the executions of which some behind it were. `events` are those
/// behind `before` up to `last`; `acknowledged` says up to which sequence those of each execution were.
pub(super) fn place_after(
    events: &[Event],
    before: Cursor,
    last: Cursor,
    mut acknowledged: BTreeMap<ExecutionId, i64>,
) -> (Cursor, BTreeMap<ExecutionId, i64>) {
    let is_acknowledged = |event: &Event| {
        let last = event.execution_id().and_then(|id| acknowledged.get(&id));
        last.is_some_and(|last| event.cursor.seq <= *last)
    };
    let Some(first_left) = events.iter().position(|event| !is_acknowledged(event)) else {
        return (last, BTreeMap::new());
    };
    let place = match first_left.checked_sub(1) {
        Some(at) => events.get(at).map_or(before, |event| event.cursor),
        None => before,
    };
    let behind = events.iter().skip(first_left);
    let behind = behind.filter(|event| is_acknowledged(event));
    let behind: HashSet<ExecutionId> = behind.filter_map(Event::execution_id).collect();
    acknowledged.retain(|execution, _| behind.contains(execution));
    (place, acknowledged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EventBody, SessionId, StreamKind, TenantId};
    use proptest::prelude::*;
    use uuid::Uuid;

    fn execution(number: u8) -> ExecutionId {
        ExecutionId(Uuid::from_u128(number.into()))
    }

    /// Events of these executions, one after the other in the feed.
    fn events(executions: &[u8]) -> Vec<Event> {
        let mut seqs = BTreeMap::<u8, i64>::new();
        let event = |(at, number): (usize, &u8)| {
            let seq = seqs.entry(*number).or_default();
            *seq += 1;
            Event {
                stream_kind: StreamKind::Execution,
                stream_id: execution(*number).0,
                cursor: Cursor {
                    tx: i64::try_from(at).unwrap() + 1,
                    ord: 0,
                    seq: *seq,
                },
                tenant_id: TenantId::default_tenant(),
                session_id: SessionId(Uuid::nil()),
                intent_type: None,
                actor: None,
                body: EventBody::ExecutionCompleted {},
                payload: None,
                occurred_at: 0,
            }
        };
        executions.iter().enumerate().map(event).collect()
    }

    fn shown(lanes: &[Lane<'_>]) -> Vec<(u128, Vec<i64>)> {
        let shown = lanes.iter().map(|lane| {
            let seqs = lane.events.iter().map(|event| event.cursor.seq).collect();
            (lane.execution.0.as_u128(), seqs)
        });
        shown.collect()
    }

    #[test]
    fn what_was_acknowledged_is_left_out_and_what_failed_comes_last() {
        let events = events(&[1, 2, 1, 3, 2]);
        let delivery = Delivery {
            ahead: BTreeMap::from([(execution(2), 1)]),
            ..Delivery::default()
        };
        let lanes = lanes_of(&events, &delivery, &HashSet::from([execution(1)]));
        let expected = [(3, vec![1]), (2, vec![2]), (1, vec![1, 2])];
        assert_eq!(shown(&lanes), expected);
    }

    #[test]
    fn the_place_stays_before_what_was_not_acknowledged() {
        let events = events(&[1, 2, 1, 2, 3]);
        let (before, last) = (
            Cursor::default(),
            Cursor {
                tx: 9,
                ord: 0,
                seq: 0,
            },
        );
        let acknowledged = BTreeMap::from([(execution(1), 2), (execution(3), 1)]);
        let (place, ahead) = place_after(&events, before, last, acknowledged.clone());
        assert_eq!((place, &ahead), (events[0].cursor, &acknowledged));
        let more = BTreeMap::from([(execution(1), 2), (execution(2), 2), (execution(3), 1)]);
        let all = place_after(&events, before, last, more);
        assert_eq!(all, (last, BTreeMap::new()));
        let none = place_after(&events, before, last, BTreeMap::new());
        assert_eq!(none, (before, BTreeMap::new()));
    }

    proptest! {
        /// Whatever was acknowledged, the next round delivers what is left, and nothing else.
        #[test]
        fn nothing_is_left_out_and_nothing_comes_again(
            executions in prop::collection::vec(0_u8..5, 1..40),
            acknowledged in prop::collection::btree_map(0_u8..5, 1_i64..20, 0..5),
        ) {
            let events = events(&executions);
            let last = events.last().unwrap().cursor;
            let acknowledged: BTreeMap<_, _> = acknowledged
                .iter()
                .map(|(number, seq)| (execution(*number), *seq))
                .collect();
            let before = Cursor::default();
            let (place, ahead) = place_after(&events, before, last, acknowledged.clone());
            let behind: Vec<Event> = events.iter().filter(|it| it.cursor > place).cloned().collect();
            let delivery = Delivery { place, ahead, ..Delivery::default() };
            let lanes = lanes_of(&behind, &delivery, &HashSet::new());
            let next: HashSet<_> = lanes.iter().flat_map(|lane| &lane.events).map(|it| it.cursor).collect();
            let left = events.iter().filter(|event| {
                let known = acknowledged.get(&event.execution_id().unwrap());
                known.is_none_or(|known| event.cursor.seq > *known)
            });
            let left: HashSet<_> = left.map(|event| event.cursor).collect();
            prop_assert_eq!(next, left);
        }
    }
}
