//! Finding, listing and counting artifacts, and their relatives.

use super::{
    World, on_each_database,
    rows::{artifact, artifact_id, execution_id},
    scope, scope_of,
};
use crate::{
    model::ArtifactState,
    storage::{ArtifactFilter, Count, Error, PageRequest, Relation},
};

fn counted(count: Result<Count, Error>) -> u32 {
    let count = count.unwrap();
    assert!(count.exact);
    count.count
}

async fn named(world: &World, text: &str) -> Vec<i64> {
    let filter = ArtifactFilter {
        name_contains: Some(text.to_owned()),
        oldest_first: true,
        ..Default::default()
    };
    let page = PageRequest::first(50);
    let found = world.storage.list_artifacts(&scope(), &filter, &page).await;
    let keys: Vec<i64> = found.unwrap().items.iter().map(|(key, _)| *key).collect();
    let count = world.storage.count_artifacts(&scope(), &filter).await;
    assert_eq!(counted(count) as usize, keys.len());
    keys
}

#[tokio::test]
async fn a_name_is_found_by_any_part_of_it_in_any_case() {
    on_each_database(async |world| {
        let names = [
            "Sales_2026.csv",
            "100%.txt",
            "Ärger.json",
            r"back\slash",
            "salesX2026",
        ];
        let rows = names.iter().zip(1..).map(|(name, key)| {
            let mut row = artifact(key);
            row.name = Some((*name).to_owned());
            row
        });
        world.put_artifacts(rows).await;
        world.put_artifacts([artifact(9)]).await;

        assert_eq!(named(world, "sALES").await, [1, 5]);
        assert_eq!(named(world, "s_2").await, [1], "an underscore is itself");
        assert_eq!(named(world, "%").await, [2], "so is a percent sign");
        assert_eq!(named(world, r"K\S").await, [4], "and a backslash");
        for text in ["Ärger", "ärger", "ÄRGER.J"] {
            assert_eq!(named(world, text).await, [3], "{text}");
        }
        assert_eq!(named(world, "sales\0").await, [0_i64; 0]);
    })
    .await;
}

#[tokio::test]
async fn a_type_that_cannot_be_stored_is_that_of_no_artifact() {
    on_each_database(async |world| {
        world.put_artifacts([artifact(1)]).await;
        for (types, found) in [(vec!["\0"], 0), (vec!["\0", "file"], 1)] {
            let filter = ArtifactFilter {
                artifact_types: types.into_iter().map(str::to_owned).collect(),
                ..Default::default()
            };
            let count = world.storage.count_artifacts(&scope(), &filter).await;
            assert_eq!(counted(count), found);
        }
    })
    .await;
}

#[tokio::test]
async fn every_condition_of_a_filter_counts() {
    on_each_database(async |world| {
        let mut other = artifact(2);
        (other.artifact_type, other.state) = ("table", ArtifactState::Archived);
        (other.execution, other.session) = (2, 2);
        world.put_artifacts([artifact(1), other]).await;
        let count = async |filter: ArtifactFilter| {
            counted(world.storage.count_artifacts(&scope(), &filter).await)
        };
        let any = ArtifactFilter::default;

        assert_eq!(count(any()).await, 2);
        let states = vec![ArtifactState::Archived, ArtifactState::Deleted];
        assert_eq!(count(ArtifactFilter { states, ..any() }).await, 1);
        let artifact_types = vec!["table".to_owned(), "none".to_owned()];
        assert_eq!(
            count(ArtifactFilter {
                artifact_types,
                ..any()
            })
            .await,
            1
        );
        let execution_id = Some(execution_id(2));
        assert_eq!(
            count(ArtifactFilter {
                execution_id,
                ..any()
            })
            .await,
            1
        );
        let session_id = Some(super::rows::session_id(2));
        assert_eq!(
            count(ArtifactFilter {
                session_id,
                ..any()
            })
            .await,
            1
        );
        let created_after = Some(1);
        assert_eq!(
            count(ArtifactFilter {
                created_after,
                ..any()
            })
            .await,
            1
        );
        let created_before = Some(1);
        assert_eq!(
            count(ArtifactFilter {
                created_before,
                ..any()
            })
            .await,
            0
        );
    })
    .await;
}

#[tokio::test]
async fn relatives_are_the_first_ones_however_often_an_id_is_asked_for() {
    on_each_database(async |world| {
        world.put_artifacts((1..=6).map(artifact)).await;
        let edges = [(3, 1), (4, 1), (5, 1), (5, 2), (6, 2)];
        world.put_edges(edges).await;
        let (one, two, five) = (artifact_id(1), artifact_id(2), artifact_id(5));
        let keys = async |ids: &[_], relation, limit| {
            let found = world
                .storage
                .relatives_of(&scope(), ids, relation, limit)
                .await;
            let keys = |keyed: Vec<(i64, _)>| keyed.into_iter().map(|(key, _)| key).collect();
            let found = found.unwrap().into_iter();
            let mut found: Vec<(_, Vec<i64>)> = found.map(|(id, it)| (id, keys(it))).collect();
            found.sort_unstable();
            found
        };

        let children = keys(&[one, two, one, one], Relation::Children, 2).await;
        assert_eq!(children, [(one, vec![3, 4]), (two, vec![5, 6])]);
        let children = keys(&[one], Relation::Children, 3).await;
        assert_eq!(children, [(one, vec![3, 4, 5])]);
        let parents = keys(&[five, one], Relation::Parents, 9).await;
        assert_eq!(parents, [(five, vec![1, 2])]);
        assert_eq!(keys(&[one], Relation::Children, 0).await, []);
    })
    .await;
}

#[tokio::test]
async fn artifacts_of_executions_are_the_first_ones_of_each() {
    on_each_database(async |world| {
        let rows = (1..=6).map(|key| {
            let mut row = artifact(key);
            row.execution = if key <= 4 { 1 } else { 2 };
            row
        });
        world.put_artifacts(rows).await;
        let (one, two) = (execution_id(1), execution_id(2));
        let wanted = [one, two, one, execution_id(3)];
        let found = world
            .storage
            .artifacts_of_executions(&scope(), &wanted, 3)
            .await
            .unwrap();
        let keys = |id| -> Vec<i64> { found[&id].iter().map(|(key, _)| *key).collect() };
        assert_eq!((keys(one), keys(two)), (vec![1, 2, 3], vec![5, 6]));
        assert_eq!(found.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn another_tenants_artifacts_are_absent_from_every_read() {
    on_each_database(async |world| {
        world.put_artifacts((1..=3).map(artifact)).await;
        world.put_edges([(2, 1), (3, 2)]).await;
        let (storage, theirs) = (&world.storage, scope_of("theirs"));
        let two = [artifact_id(2)];
        let page = PageRequest::first(9);

        assert_eq!(storage.find_artifacts(&theirs, &two).await.unwrap(), []);
        assert_eq!(
            storage.find_artifacts(&scope(), &two).await.unwrap().len(),
            1
        );
        let filter = ArtifactFilter::default();
        let listed = storage.list_artifacts(&theirs, &filter, &page).await;
        assert_eq!(listed.unwrap().items, []);
        assert_eq!(counted(storage.count_artifacts(&theirs, &filter).await), 0);
        for relation in [Relation::Parents, Relation::Children] {
            let found = storage.relatives_of(&theirs, &two, relation, 9).await;
            assert!(found.unwrap().is_empty());
            let listed = storage
                .list_relatives(&theirs, two[0], relation, &page)
                .await;
            assert_eq!(listed.unwrap().items, []);
        }
        let made = storage
            .artifacts_of_executions(&theirs, &[execution_id(1)], 9)
            .await;
        assert!(made.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn many_ids_are_all_found_once() {
    on_each_database(async |world| {
        world.put_artifacts((1..=150).map(artifact)).await;
        for count in [1, 2, 3, 50, 64, 65, 100, 128, 150] {
            let ids: Vec<_> = (1..=count).chain(1..=count).map(artifact_id).collect();
            let found = world.storage.find_artifacts(&scope(), &ids).await.unwrap();
            let mut found: Vec<_> = found.into_iter().map(|artifact| artifact.id).collect();
            found.sort_unstable();
            assert_eq!(found, ids[..ids.len() / 2], "{count}");
        }
    })
    .await;
}
