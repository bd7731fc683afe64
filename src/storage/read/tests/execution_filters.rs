//! Lists of executions by each condition of their filters and each pair of two, against plain filters of the same rows.

use super::{
    World,
    filters::{COUNT, each, is_of, is_one_of, is_within, member, pairs, texts, whole},
    on_each_database,
    rows::{ExecutionRow, execution, execution_id, session_id},
    scope,
};
use crate::{
    model::{
        ExecutionStatus::{self, Cancelled, Completed, Created, Failed, Running},
        WaitReason,
    },
    storage::{ExecutionFilter, FoundChanges},
};

/// Of `count` executions almost all have completed, in one session; the others are few.
pub(super) fn execution_of(number: u128, count: u128) -> ExecutionRow {
    let mut row = execution(number);
    row.status = match number {
        n if n % 500 == 0 => Failed,
        n if n > count - 30 => Running,
        n if n > count - 60 => Created,
        _ => Completed,
    };
    row.parent = (!number.is_multiple_of(3)).then_some(3);
    row.intent_type = match number {
        n if n % 3 == 1 => "child",
        n if n % 500 == 17 => "rare",
        _ => "echo",
    };
    row.session = if number % 400 == 7 { 2 } else { 1 };
    row.user = match number % 100 {
        0..90 => Some("ann"),
        95 => Some("bob"),
        _ => None,
    };
    row.metadata = match number {
        77 => r#"{"customer": "Ann"}"#,
        n if n % 2 == 0 => r#"{"customer": "Bob"}"#,
        _ => "{}",
    };
    row.handler = if number % 500 == 33 {
        "other"
    } else {
        "handler"
    };
    row.rerun_of = (number % 100 == 41).then_some(1);
    row.error_code = (row.status == Failed).then_some(if number.is_multiple_of(1_000) {
        "LATE"
    } else {
        "GONE"
    });
    // Ten at a time, and not in the order of their ids.
    row.created_at = i64::try_from(number).unwrap() / 10;
    if number % 10 == 9 {
        row.created_at += 3;
    }
    // Nor in that of their ends.
    row.finished_at = Some(row.created_at + i64::try_from(number % 7).unwrap());
    row
}

/// Of the live ones some wait in a queue, some for a worker, some for a time; one waits for a child.
pub(super) fn reason_of(number: u128, count: u128) -> Option<WaitReason> {
    match number {
        n if n + 60 <= count => None,
        n if n % 500 == 0 => None,
        n if n + 60 == count + 1 => Some(WaitReason::Children),
        n => Some(match n % 6 {
            0 => WaitReason::Queue,
            1 => WaitReason::Worker,
            2 => WaitReason::Schedule,
            3 => WaitReason::Retry,
            4 => WaitReason::Limit,
            _ => return None,
        }),
    }
}

/// Puts live executions where they wait.
pub(super) async fn put_places(world: &World, count: u128) {
    for number in count.saturating_sub(60)..=count {
        let Some(reason) = reason_of(number, count) else {
            continue;
        };
        let id = execution_id(number).0;
        let queue = |name: &str| {
            format!(
                "INSERT INTO ready (execution_id, tenant_id, queue, priority, ready_at) \
                 VALUES ($1, 'ours', '{name}', 5, 0)"
            )
        };
        let timer = |kind: i64, queue: &str| {
            format!(
                "INSERT INTO timer (execution_id, kind, tenant_id, queue, fire_at) \
                 VALUES ($1, {kind}, 'ours', '{queue}', 0)"
            )
        };
        let text = match reason {
            // Which of them no node may take is not in these tables.
            WaitReason::Queue | WaitReason::Node => queue("node"),
            WaitReason::Worker => queue("worker:echo/handler"),
            WaitReason::Schedule => timer(0, "node"),
            WaitReason::Retry => timer(1, "node"),
            WaitReason::Children => timer(1, "parked"),
            WaitReason::Limit => {
                "INSERT INTO limit_place (execution_id, position, tenant_id, bucket, name, \
                 is_shared, most, policy, state, queue, priority, ready_at) \
                 VALUES ($1, 0, 'ours', 'a', 'key', FALSE, 1, 0, 1, 'node', 5, 0)"
                    .to_owned()
            }
        };
        world.run(&text, vec![id.into()]).await;
    }
}

/// An execution that a key finds.
pub(super) const KEYED: u128 = 9;

pub(super) async fn put_key(world: &World) {
    let text = "INSERT INTO idempotency (tenant_id, scope, key, execution_id, request_hash, \
         expires_at) VALUES ('ours', 0, 'a', $1, '', 0)";
    world.run(text, vec![execution_id(KEYED).0.into()]).await;
}

/// Each filter of one condition and of two, with values that many rows have, few and none. The last times are
/// those of `count` rows.
pub(super) fn execution_filters(count: u128) -> Vec<ExecutionFilter> {
    let last = i64::try_from(count).unwrap() / 10;
    let statuses = [
        vec![Failed],
        vec![Cancelled],
        vec![Running],
        vec![Completed],
        vec![Created, Running, Failed],
    ];
    let types = [
        &["rare"][..],
        &["absent"],
        &["child"],
        &["echo", "rare", "\0"],
    ];
    pairs(&[
        each([()], |_: &mut ExecutionFilter, ()| ()),
        each(statuses, |it: &mut ExecutionFilter, all| it.statuses = all),
        each(types.map(texts), |it: &mut ExecutionFilter, all| {
            it.intent_types = all;
        }),
        each([1, 2, 3], |it: &mut ExecutionFilter, number| {
            it.session_id = Some(session_id(number));
        }),
        each(
            ["ann", "bob", "nobody"],
            |it: &mut ExecutionFilter, user| {
                it.user_id = Some(user.into());
            },
        ),
        each(["a", "absent"], |it: &mut ExecutionFilter, key| {
            it.idempotency_key = Some(key.to_owned());
        }),
        each(
            ["Ann", "Bob", "absent"],
            |it: &mut ExecutionFilter, name| it.metadata = member("customer", name),
        ),
        each(
            [10, last - 10, last + 9],
            |it: &mut ExecutionFilter, time| it.created_after = Some(time),
        ),
        each([10, last - 10, 0], |it: &mut ExecutionFilter, time| {
            it.created_before = Some(time);
        }),
        each([()], |it: &mut ExecutionFilter, ()| it.roots_only = true),
        each(["handler", "other"], |it: &mut ExecutionFilter, name| {
            it.handler_names = texts(&[name]);
        }),
        each([1, 2], |it: &mut ExecutionFilter, number| {
            it.rerun_of = Some(execution_id(number));
        }),
        each(
            [
                vec![WaitReason::Queue],
                vec![WaitReason::Worker, WaitReason::Schedule],
                vec![WaitReason::Retry],
                vec![WaitReason::Children],
                vec![WaitReason::Limit],
            ],
            |it: &mut ExecutionFilter, reasons| it.waiting_for = reasons,
        ),
        each(
            [&["LATE"][..], &["GONE", "LATE"], &["absent"]].map(texts),
            |it: &mut ExecutionFilter, codes| it.error_codes = codes,
        ),
        each([10, last - 10], |it: &mut ExecutionFilter, time| {
            it.finished_after = Some(time);
        }),
        each([10, last - 10], |it: &mut ExecutionFilter, time| {
            it.finished_before = Some(time);
        }),
        each([()], |it: &mut ExecutionFilter, ()| it.by_finish = true),
    ])
}

fn execution_fits(filter: &ExecutionFilter, row: &ExecutionRow) -> bool {
    let note = |value| format!("{{\"customer\": {value:?}}}");
    is_one_of(&filter.statuses, &row.status)
        && is_one_of(&filter.intent_types, &row.intent_type.to_owned())
        && filter
            .session_id
            .is_none_or(|it| it == session_id(row.session))
        && is_of(filter.user_id.as_deref(), row.user)
        && filter
            .idempotency_key
            .as_ref()
            .is_none_or(|key| key == "a" && row.number == KEYED)
        && (filter.metadata.is_empty()
            || ["Ann", "Bob"].iter().any(|name| {
                filter.metadata == member("customer", name) && row.metadata == note(name)
            }))
        && is_within(row.created_at, filter.created_after, filter.created_before)
        && (!filter.roots_only || row.parent.is_none())
        && is_one_of(&filter.handler_names, &row.handler.to_owned())
        && filter
            .rerun_of
            .is_none_or(|id| row.rerun_of.map(execution_id) == Some(id))
        && (filter.waiting_for.is_empty()
            || reason_of(row.number, COUNT).is_some_and(|it| filter.waiting_for.contains(&it)))
        && (filter.error_codes.is_empty()
            || row
                .error_code
                .is_some_and(|code| filter.error_codes.contains(&code.to_owned())))
        && is_ended_fit(filter, row.finished())
}

fn is_ended_fit(filter: &ExecutionFilter, finished: Option<i64>) -> bool {
    let (after, before) = (filter.finished_after, filter.finished_before);
    let is_wanted = filter.by_finish || after.is_some() || before.is_some();
    !is_wanted || finished.is_some_and(|at| is_within(at, after, before))
}

/// Returns whether a filter asks for what has ended alone, which nothing stops to fit.
fn is_final(filter: &ExecutionFilter) -> bool {
    let is_ended = |all: &[ExecutionStatus]| all.iter().all(|status| status.is_terminal());
    !filter.statuses.is_empty() && is_ended(&filter.statuses)
        || !filter.error_codes.is_empty()
        || filter.by_finish
        || filter.finished_after.is_some()
        || filter.finished_before.is_some()
}

/// The filter without what a row may come to fit.
fn lasting(filter: &ExecutionFilter) -> ExecutionFilter {
    ExecutionFilter {
        statuses: Vec::new(),
        error_codes: Vec::new(),
        by_finish: false,
        finished_after: None,
        finished_before: None,
        waiting_for: Vec::new(),
        ..filter.clone()
    }
}

#[tokio::test]
async fn found_by_their_ids_the_same_executions_fit() {
    on_each_database(async |world| {
        let rows: Vec<_> = (1..=COUNT)
            .map(|number| execution_of(number, COUNT))
            .collect();
        world.put_executions(rows.clone()).await;
        put_key(world).await;
        put_places(world, COUNT).await;
        let (ours, storage) = (scope(), &world.storage);
        let few = [1, 2, 3, 4, 5, 7, 9, 17, 33, 41, 77, 95, 141, 407, 500, 517];
        let changed: Vec<_> = rows
            .iter()
            .filter(|row| few.contains(&row.number) || row.number + 62 > COUNT)
            .rev()
            .collect();
        let ids: Vec<_> = changed.iter().map(|row| execution_id(row.number)).collect();
        for filter in execution_filters(COUNT) {
            let (mut fitting, mut left) = (Vec::new(), Vec::new());
            for row in &changed {
                if execution_fits(&filter, row) {
                    fitting.push(execution_id(row.number));
                } else if !is_final(&filter) && execution_fits(&lasting(&filter), row) {
                    left.push(execution_id(row.number));
                }
            }
            let found = storage.find_changes(&ours, &filter, &ids).await.unwrap();
            let found_ids: Vec<_> = found.fitting.iter().map(|it| it.id).collect();
            assert_eq!((found_ids, found.left), (fitting, left), "{filter:?}");
        }
        let nothing = ExecutionFilter::default();
        let found = storage.find_changes(&ours, &nothing, &[]).await.unwrap();
        assert_eq!(found, FoundChanges::default());
    })
    .await;
}

#[tokio::test]
async fn executions_are_listed_by_every_pair_of_conditions_whichever_way() {
    on_each_database(async |world| {
        let rows: Vec<_> = (1..=COUNT)
            .map(|number| execution_of(number, COUNT))
            .collect();
        world.put_executions(rows.clone()).await;
        put_key(world).await;
        put_places(world, COUNT).await;
        let (ours, storage) = (scope(), &world.storage);
        for (number, mut filter) in execution_filters(COUNT).into_iter().enumerate() {
            filter.oldest_first = number.is_multiple_of(2);
            let mut expected: Vec<_> = rows
                .iter()
                .filter(|row| execution_fits(&filter, row))
                .collect();
            expected.sort_by_key(|row| match (filter.rerun_of, filter.by_finish) {
                (Some(_), _) => (0, row.number),
                (None, true) => (row.finished().unwrap(), row.number),
                (None, false) => (row.created_at, row.number),
            });
            // What a key finds is ordered by its id; it is one.
            let backward = number.is_multiple_of(3);
            if filter.oldest_first == backward {
                expected.reverse();
            }
            let expected: Vec<_> = expected
                .into_iter()
                .map(|row| execution_id(row.number))
                .collect();
            let page = async |request| {
                storage
                    .list_executions(&ours, &filter, &request)
                    .await
                    .unwrap()
            };
            assert_eq!(
                whole(backward, page).await,
                expected,
                "{filter:?} {backward}"
            );
        }
    })
    .await;
}
