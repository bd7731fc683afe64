//! Executions, their children, and why they wait.

use std::collections::HashMap;

use super::{
    on_each_database,
    rows::{execution, execution_id},
    scope, scope_of,
};
use crate::{
    model::{
        ExecutionStatus::{Completed, Created, Running},
        WaitReason,
    },
    storage::{ExecutionFilter, PageRequest, read::stranded::stranded},
};

#[tokio::test]
async fn live_executions_without_a_place_are_found_slice_by_slice() {
    on_each_database(async |world| {
        world.put_executions((1..=7).map(execution)).await;
        let id = |number| execution_id(number).0.into();
        let places = [
            (1, "ready (execution_id, tenant_id, queue, priority, ready_at) VALUES ($1, 'ours', 'node', 5, 1)"),
            (3, "timer (execution_id, kind, tenant_id, queue, fire_at) VALUES ($1, 1, 'ours', 'node', 1)"),
            // A deadline starts nothing.
            (4, "timer (execution_id, kind, tenant_id, queue, fire_at) VALUES ($1, 2, 'ours', 'node', 1)"),
            (6, "lease (execution_id, epoch, node_id) VALUES ($1, 1, $1)"),
        ];
        for (number, row) in places {
            world.run(&format!("INSERT INTO {row}"), vec![id(number)]).await;
        }
        let end = "UPDATE execution SET status = 2, finished_at = 1 WHERE id = $1";
        world.run(end, vec![id(5)]).await;
        let mut slices = Vec::new();
        let mut after = None;
        loop {
            let slice = stranded(&world.storage.db.reader, after.clone(), 2).await.unwrap();
            after.clone_from(&slice.last);
            slices.push(slice.stranded);
            if after.is_none() {
                break;
            }
        }
        // Of 1 to 7 without the fifth, two at a time; whether there are more is not known at the end.
        let found = |numbers: &[u128]| numbers.iter().copied().map(execution_id).collect::<Vec<_>>();
        assert_eq!(slices, [found(&[2]), found(&[4]), found(&[7]), found(&[])]);
        let all = stranded(&world.storage.db.reader, None, 7).await.unwrap();
        let mut everything = all.stranded;
        everything.sort();
        assert_eq!((everything, all.last), (found(&[2, 4, 7]), None));
    })
    .await;
}

#[tokio::test]
async fn only_its_tenant_is_told_whether_an_execution_has_ended() {
    on_each_database(async |world| {
        world.put_executions((1..=2).map(execution)).await;
        let end = "UPDATE execution SET finished_at = 1 WHERE id = $1";
        world.run(end, vec![execution_id(2).0.into()]).await;
        let (ours, theirs) = (scope(), scope_of("theirs"));
        let asked = [1, 2, 3].map(|n| world.storage.has_ended(&ours, execution_id(n)));
        let told: Vec<_> = futures::future::try_join_all(asked).await.unwrap();
        assert_eq!(told, [Some(false), Some(true), None]);
        let told = world.storage.has_ended(&theirs, execution_id(2)).await;
        assert_eq!(told.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn what_an_execution_waits_for_follows_from_where_it_is() {
    on_each_database(async |world| {
        let live = (1..=9).map(|number| {
            let mut row = execution(number);
            row.status = if number <= 4 { Created } else { Running };
            row
        });
        let child = |number, parent, key, status| {
            let mut row = execution(number);
            (row.parent, row.child_key, row.status) = (Some(parent), key, status);
            row
        };
        let mut ended = execution(30);
        ended.status = Completed;
        let children = [
            child(20, 6, Some("a"), Running),
            child(21, 6, Some("b"), Completed),
            child(22, 7, Some("a"), Completed),
            child(23, 8, None, Running),
        ];
        world
            .put_executions(live.chain(children).chain([ended]))
            .await;
        let id = |number| execution_id(number).0.into();
        // A node without labels, and one with some that drains.
        for (number, labels, drains) in [(98, "{}", false), (99, r#"{"gpu":"true"}"#, true)] {
            let text = "INSERT INTO node (id, name, version, capacity, running, started_at, expires_at, labels, draining) \
                        VALUES ($1, 'node', '1', 1, 1, 0, $2, $3, $4)";
            let values = vec![id(number), i64::MAX.into(), labels.into(), drains.into()];
            world.run(text, values).await;
        }
        for (number, queue) in [(1, "node"), (2, "worker:pdf"), (4, "labels:gpu=true")] {
            let text = "INSERT INTO ready (execution_id, tenant_id, queue, priority, ready_at) \
                        VALUES ($1, 'ours', $2, 5, 1)";
            world.run(text, vec![id(number), queue.into()]).await;
        }
        // 5 has a deadline besides its retry, 9 a deadline while it runs.
        for (number, kind) in [(3, 0), (5, 1), (5, 2), (9, 2)] {
            let text = "INSERT INTO timer (execution_id, kind, tenant_id, queue, fire_at) \
                        VALUES ($1, $2, 'ours', 'node', 1)";
            world
                .run(text, vec![id(number), i64::from(kind).into()])
                .await;
        }
        for number in 6..=9 {
            let text = "INSERT INTO lease (execution_id, epoch, node_id) VALUES ($1, 1, $2)";
            world.run(text, vec![id(number), id(99)]).await;
        }

        let ids: Vec<_> = (1..=30).map(execution_id).collect();
        let waiting = world.storage.wait_reasons(&scope(), &ids).await.unwrap();
        assert!(waiting.values().all(|it| it.limit.is_none()));
        let reasons = waiting.into_iter().map(|(id, it)| (id, it.reason));
        let reasons: HashMap<_, _> = reasons.collect();
        let expected = HashMap::from([
            (execution_id(1), WaitReason::Queue),
            (execution_id(2), WaitReason::Worker),
            (execution_id(3), WaitReason::Schedule),
            (execution_id(4), WaitReason::Node),
            (execution_id(5), WaitReason::Retry),
            (execution_id(6), WaitReason::Children),
        ]);
        assert_eq!(reasons, expected);
        let theirs = world.storage.wait_reasons(&scope_of("theirs"), &ids).await;
        assert!(theirs.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_first_children_of_each_parent_are_read() {
    on_each_database(async |world| {
        let rows = (10..=17).map(|number| {
            let mut row = execution(number);
            row.parent = Some(if number <= 14 { 1 } else { 2 });
            row
        });
        world.put_executions(rows).await;
        let parents = [1, 2, 1, 3].map(execution_id);
        let children = async |limit| {
            let found = world
                .storage
                .first_children(&scope(), &parents, limit)
                .await;
            let found = found.unwrap();
            let of = |parent| -> Vec<_> {
                let children = found.get(&execution_id(parent)).into_iter().flatten();
                children.map(|child| child.id).collect()
            };
            (of(1), of(2), found.len())
        };
        let ids = |numbers: std::ops::RangeInclusive<u128>| -> Vec<_> {
            numbers.map(execution_id).collect()
        };

        assert_eq!(children(3).await, (ids(10..=12), ids(15..=17), 2));
        assert_eq!(children(5).await, (ids(10..=14), ids(15..=17), 2));
        assert_eq!(children(0).await, (vec![], vec![], 0));
        let theirs = world
            .storage
            .first_children(&scope_of("theirs"), &parents, 3)
            .await;
        assert!(theirs.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn every_condition_of_a_filter_counts() {
    on_each_database(async |world| {
        let mut other = execution(2);
        (other.status, other.intent_type, other.session) = (Completed, "parse", 2);
        (other.parent, other.created_at) = (Some(1), 5);
        let mut theirs = execution(3);
        theirs.tenant = "theirs";
        world.put_executions([execution(1), other, theirs]).await;
        let listed = async |filter: ExecutionFilter| -> Vec<_> {
            let page = PageRequest::first(9);
            let page = world
                .storage
                .list_executions(&scope(), &filter, &page)
                .await;
            page.unwrap().items.into_iter().map(|(id, _)| id).collect()
        };
        let (one, two) = (execution_id(1), execution_id(2));
        let any = ExecutionFilter::default;

        assert_eq!(listed(any()).await, [two, one]);
        let statuses = vec![Completed, Running, Completed];
        assert_eq!(listed(ExecutionFilter { statuses, ..any() }).await, [two]);
        let intent_types = vec!["echo".to_owned()];
        assert_eq!(
            listed(ExecutionFilter {
                intent_types,
                ..any()
            })
            .await,
            [one]
        );
        let session_id = Some(super::rows::session_id(2));
        assert_eq!(
            listed(ExecutionFilter {
                session_id,
                ..any()
            })
            .await,
            [two]
        );
        let parent_id = Some(one);
        assert_eq!(listed(ExecutionFilter { parent_id, ..any() }).await, [two]);
        let (created_after, created_before) = (Some(1), Some(5));
        assert_eq!(
            listed(ExecutionFilter {
                created_after,
                ..any()
            })
            .await,
            [two]
        );
        assert_eq!(
            listed(ExecutionFilter {
                created_before,
                ..any()
            })
            .await,
            [one]
        );

        let found = world
            .storage
            .find_executions(&scope(), &[one, one, execution_id(3)])
            .await;
        let found: Vec<_> = found.unwrap().into_iter().map(|it| it.id).collect();
        assert_eq!(found, [one]);
    })
    .await;
}

#[tokio::test]
async fn steps_come_in_the_order_in_which_they_finished() {
    on_each_database(async |world| {
        world.put_executions([execution(1), execution(2)]).await;
        for (number, name, finished_at) in [(1, "b", 1), (1, "a", 2), (2, "c", 3), (3, "d", 4)] {
            let text = "INSERT INTO step (execution_id, name, epoch, attempt, result, started_at, \
                        finished_at) VALUES ($1, $2, 1, 1, '{}', 0, $3)";
            let id = execution_id(number).0.into();
            let values = vec![id, name.into(), i64::from(finished_at).into()];
            world.run(text, values).await;
        }
        let ids: Vec<_> = (1..=3).map(execution_id).collect();
        let steps = world.storage.find_steps(&scope(), &ids).await.unwrap();
        let names: Vec<_> = steps[&execution_id(1)]
            .iter()
            .map(|step| &*step.name)
            .collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(steps.len(), 2, "there is no execution 3");
        let theirs = world.storage.find_steps(&scope_of("theirs"), &ids).await;
        assert!(theirs.unwrap().is_empty());
    })
    .await;
}
