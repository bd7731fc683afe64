//! What a schedule does when a node looks at it: which of its times it takes, which wait, and which are left out.
//! Pure, so that it can be tried without a database.

use super::timetable::{Timetable, delay};
use crate::model::{ExecutionId, Micros, Overlap, Schedule};

/// The most times of a schedule that wait.
pub(in crate::runtime) const MAX_QUEUED: usize = 1_000;

/// An execution of a schedule that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) struct LiveRun {
    pub(in crate::runtime) execution_id: ExecutionId,
    /// The time for which it was made.
    pub(in crate::runtime) scheduled_at: Option<Micros>,
}

/// When a time of a schedule is submitted, if nothing is in its way.
pub(in crate::runtime) fn submitted_at(schedule: &Schedule, at: Micros) -> Micros {
    at.saturating_add(delay(schedule.id, at, schedule.jitter_micros))
}

/// Takes the times that are due off the timetable: the latest of them, if it is not too late for it.
pub(in crate::runtime) fn take_due(
    schedule: &mut Schedule,
    timetable: &Timetable,
    now: Micros,
) -> Option<Micros> {
    let first = schedule.next_at?;
    if submitted_at(schedule, first) > now {
        return None;
    }
    let mut latest = timetable.last(now).unwrap_or(first);
    while latest > first && submitted_at(schedule, latest) > now {
        latest = timetable.last(latest - 1).unwrap_or(first);
    }
    let latest = latest.max(first);
    schedule.next_at = timetable.next(latest);
    if now.saturating_sub(submitted_at(schedule, latest)) > schedule.catch_up_micros {
        schedule.skipped += 1;
        return None;
    }
    Some(latest)
}

/// Puts a time that was taken where its overlap rule says. Returns whether what runs is to be cancelled.
pub(in crate::runtime) fn put(schedule: &mut Schedule, at: Micros, live: &[LiveRun]) -> bool {
    let others = live.iter().any(|run| run.scheduled_at != Some(at));
    let queue = &mut schedule.queued;
    if queue.contains(&at) {
        return false;
    }
    let (is_left_out, cancels) = match schedule.overlap {
        Overlap::Skip => (others || !queue.is_empty(), false),
        Overlap::QueueOne => (!queue.is_empty(), false),
        Overlap::QueueAll | Overlap::Allow => (queue.len() >= MAX_QUEUED, false),
        Overlap::CancelPrevious => {
            schedule.skipped += i64::try_from(queue.len()).unwrap_or(i64::MAX);
            queue.clear();
            (false, others)
        }
    };
    if is_left_out {
        schedule.skipped += 1;
    } else {
        queue.push(at);
    }
    cancels
}

/// The time in the queue that can be submitted now.
pub(in crate::runtime) fn ready(schedule: &Schedule, live: &[LiveRun]) -> Option<Micros> {
    let at = *schedule.queued.first()?;
    let is_free =
        schedule.overlap == Overlap::Allow || live.iter().all(|run| run.scheduled_at == Some(at));
    is_free.then_some(at)
}

/// The shortest and the longest pause before a schedule is looked at again whose executions are waited for.
const PAUSE: (i64, i64) = (200_000, 10_000_000);

/// When a node looks at the schedule next. One that waits for its executions is looked at the less often the longer
/// they take; `not_before` is when what was refused for now may be tried again.
pub(in crate::runtime) fn due_at(
    schedule: &Schedule,
    now: Micros,
    not_before: Option<Micros>,
) -> Option<Micros> {
    let next = schedule.next_at.map(|at| submitted_at(schedule, at));
    if schedule.queued.is_empty() {
        return next;
    }
    let taken = now.saturating_sub(schedule.last_fired_at.unwrap_or(now));
    let again = not_before.unwrap_or(now + (taken / 4).clamp(PAUSE.0, PAUSE.1));
    Some(next.map_or(again, |next| next.min(again)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{
        Grants, RawJson, ScheduleId, ScheduleStatus, ScheduleTimes, SessionId, TenantId,
    };

    const MINUTE: i64 = 60_000_000;

    /// Each minute from 0 on, of which the first was not looked at yet.
    fn schedule(overlap: Overlap) -> Schedule {
        Schedule {
            id: ScheduleId(Uuid::from_u128(1)),
            tenant_id: TenantId::default_tenant(),
            name: None,
            session_id: SessionId(Uuid::nil()),
            intent_type: "echo".to_owned(),
            handler_name: None,
            solution_id: None,
            parameters: RawJson::empty_object(),
            sealed: None,
            metadata: RawJson::empty_object(),
            priority: None,
            times: ScheduleTimes::Every { seconds: 60 },
            overlap,
            catch_up_micros: 5 * MINUTE,
            jitter_micros: 0,
            status: ScheduleStatus::Active,
            created_by: "ann".to_owned(),
            grants: Grants::none(),
            next_at: Some(MINUTE),
            due_at: None,
            queued: Vec::new(),
            last_fired_at: None,
            skipped: 0,
            last_error: None,
            version: 1,
            next_seq: 1,
            created_at: 0,
            updated_at: 0,
        }
    }

    fn live(at: Option<Micros>) -> LiveRun {
        LiveRun {
            execution_id: ExecutionId(Uuid::nil()),
            scheduled_at: at,
        }
    }

    #[test]
    fn the_latest_time_is_taken_and_the_next_one_comes_after_it() {
        let mut it = schedule(Overlap::Skip);
        let table = Timetable::of(&it.times, 0).unwrap();
        assert_eq!(take_due(&mut it, &table, MINUTE - 1), None);
        assert_eq!(it.next_at, Some(MINUTE));
        assert_eq!(
            take_due(&mut it, &table, 10 * MINUTE + 7),
            Some(10 * MINUTE)
        );
        assert_eq!((it.next_at, it.skipped), (Some(11 * MINUTE), 0));
        assert_eq!(take_due(&mut it, &table, 10 * MINUTE + 7), None);
    }

    #[test]
    fn a_time_that_is_too_late_is_left_out() {
        let mut it = schedule(Overlap::Skip);
        it.times = ScheduleTimes::Every { seconds: 3_600 };
        it.next_at = Some(60 * MINUTE);
        let table = Timetable::of(&it.times, 0).unwrap();
        assert_eq!(take_due(&mut it, &table, 65 * MINUTE + 1), None);
        assert_eq!((it.next_at, it.skipped), (Some(120 * MINUTE), 1));
        assert_eq!(take_due(&mut it, &table, 125 * MINUTE), Some(120 * MINUTE));
    }

    #[test]
    fn a_time_whose_delay_has_not_passed_waits() {
        let mut it = schedule(Overlap::Skip);
        it.jitter_micros = 10 * MINUTE;
        let table = Timetable::of(&it.times, 0).unwrap();
        let mut taken = Vec::new();
        for now in (MINUTE..60 * MINUTE).step_by(10_000_000) {
            if let Some(at) = take_due(&mut it, &table, now) {
                assert!(submitted_at(&it, at) <= now && now < submitted_at(&it, at) + 5 * MINUTE);
                taken.push(at);
            }
        }
        assert!(taken.is_sorted() && taken.len() > 5, "{taken:?}");
    }

    #[test]
    fn its_own_execution_of_that_time_is_in_nobodys_way() {
        let own = [live(Some(MINUTE))];
        for overlap in [Overlap::Skip, Overlap::QueueOne, Overlap::CancelPrevious] {
            let mut it = schedule(overlap);
            assert!(!put(&mut it, MINUTE, &own), "{overlap:?}");
            assert_eq!(ready(&it, &own), Some(MINUTE), "{overlap:?}");
            assert!(!put(&mut it, MINUTE, &own), "it is put once");
            assert_eq!((it.queued.as_slice(), it.skipped), ([MINUTE].as_slice(), 0));
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut it = schedule(Overlap::QueueAll);
        let busy = [live(None)];
        for at in 0..=i64::try_from(MAX_QUEUED).unwrap() {
            assert!(!put(&mut it, at, &busy));
        }
        assert_eq!((it.queued.len(), it.skipped), (MAX_QUEUED, 1));
        assert_eq!((ready(&it, &busy), ready(&it, &[])), (None, Some(0)));
        it.overlap = Overlap::CancelPrevious;
        assert!(put(&mut it, -1, &busy));
        assert_eq!((it.queued, it.skipped), (vec![-1], 1_001));
    }

    #[test]
    fn one_that_waits_for_its_executions_is_looked_at_the_less_often_the_longer_they_take() {
        let mut it = schedule(Overlap::QueueAll);
        it.next_at = None;
        assert_eq!(due_at(&it, 0, None), None);
        it.queued.push(0);
        it.last_fired_at = Some(0);
        let pause = |it: &Schedule, now| due_at(it, now, None).unwrap() - now;
        assert_eq!(pause(&it, 0), 200_000);
        assert_eq!(pause(&it, 20_000_000), 5_000_000);
        assert_eq!(pause(&it, 60 * MINUTE), 10_000_000);
        assert_eq!(due_at(&it, 5, Some(99)), Some(99));
        it.next_at = Some(50);
        assert_eq!(due_at(&it, 5, Some(99)), Some(50));
    }
}
