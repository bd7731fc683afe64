//! Pages against plain slices.

use std::ops::Range;

use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    World,
    rows::{artifact, execution, execution_id},
    scope,
};
use crate::storage::{ArtifactFilter, ExecutionFilter, Page, PageRequest, Relation};

const KEYS: Range<i64> = 1..24;

fn requests() -> impl Strategy<Value = PageRequest<i64>> {
    let end = || proptest::option::of(0..=KEYS.end);
    (0..8_u32, end(), end(), any::<bool>()).prop_map(|(limit, after, before, backward)| {
        PageRequest {
            limit,
            after,
            before,
            backward,
        }
    })
}

/// The page of a list by the rules of Relay's connections.
fn page_of(list: &[i64], descends: bool, request: &PageRequest<i64>) -> (Vec<i64>, bool, bool) {
    let rank = |key: &i64| if descends { -key } else { *key };
    let mut range: Vec<i64> = list.to_vec();
    range.sort_by_key(rank);
    range.retain(|key| request.after.is_none_or(|after| rank(key) > rank(&after)));
    range.retain(|key| {
        request
            .before
            .is_none_or(|before| rank(key) < rank(&before))
    });
    let limit = request.limit as usize;
    let more = range.len() > limit;
    if request.backward {
        let items = range.split_off(range.len().saturating_sub(limit));
        (items, request.before.is_some(), more)
    } else {
        range.truncate(limit);
        (range, more, request.after.is_some())
    }
}

fn shape<K, T>(page: Page<K, T>, key: impl Fn(K) -> i64) -> (Vec<i64>, bool, bool) {
    let items = page.items.into_iter().map(|(found, _)| key(found));
    (items.collect(), page.has_next, page.has_previous)
}

async fn check(world: &World, oldest_first: bool, request: PageRequest<i64>) {
    let storage = &world.storage;
    let all: Vec<i64> = KEYS.collect();
    let expected = page_of(&all, !oldest_first, &request);

    let filter = ArtifactFilter {
        oldest_first,
        ..Default::default()
    };
    let page = storage.list_artifacts(&scope(), &filter, &request).await;
    assert_eq!(shape(page.unwrap(), |key| key), expected, "artifacts");

    let id = |key: i64| execution_id(u128::from(key.unsigned_abs()));
    let filter = ExecutionFilter {
        oldest_first,
        ..Default::default()
    };
    let ids = PageRequest {
        limit: request.limit,
        after: request.after.map(id),
        before: request.before.map(id),
        backward: request.backward,
    };
    let page = storage.list_executions(&scope(), &filter, &ids).await;
    let number = |found| { KEYS }.find(|key| id(*key) == found).unwrap();
    assert_eq!(shape(page.unwrap(), number), expected, "executions");

    let hub = super::rows::artifact_id(KEYS.start);
    let children = storage
        .list_relatives(&scope(), hub, Relation::Children, &request)
        .await;
    let expected = page_of(&all[1..], false, &request);
    assert_eq!(shape(children.unwrap(), |key| key), expected, "children");
}

#[test]
fn a_page_is_a_slice_of_the_list_from_both_ends() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for world in runtime.block_on(World::all()) {
        runtime.block_on(async {
            world.put_artifacts(KEYS.map(artifact)).await;
            let edges = KEYS.skip(1).map(|key| (key, KEYS.start));
            world.put_edges(edges).await;
            let executions = KEYS.map(|key| execution(u128::from(key.unsigned_abs())));
            world.put_executions(executions).await;
        });
        let result = TestRunner::default().run(&(any::<bool>(), requests()), |(order, request)| {
            runtime.block_on(check(&world, order, request));
            Ok(())
        });
        runtime.block_on(world.end());
        result.unwrap();
    }
}
