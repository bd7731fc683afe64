//! Resolving and listing artifacts, and that the two agree.

use std::collections::HashMap;

use super::*;
use crate::{
    model::ArtifactState,
    storage::read_tests::{ArtifactRow, World, artifact, on_each_database, scope_of},
};

fn registry(world: &World) -> ArtifactRegistry {
    let eligible = [("parse", vec!["file", "text"]), ("echo", vec![])];
    let owned = |types: Vec<&str>| types.into_iter().map(str::to_owned).collect();
    let eligible: HashMap<_, _> = eligible
        .into_iter()
        .map(|(intent_type, types)| (intent_type.to_owned(), owned(types)))
        .collect();
    ArtifactRegistry::new(
        world.storage.clone(),
        eligible,
        Policies::open(world.storage.clone(), None, false).unwrap(),
    )
}

async fn list(
    registry: &ArtifactRegistry,
    types: &[&str],
    eligible_for: &str,
) -> Result<Vec<i64>, Error> {
    let filter = ArtifactFilter {
        artifact_types: types.iter().map(|name| (*name).to_owned()).collect(),
        oldest_first: true,
        ..Default::default()
    };
    let (scope, page) = (scope_of("ours"), PageRequest::first(9));
    let found = registry
        .list(&scope, &filter, Some(eligible_for), &page)
        .await?;
    let count = registry.count(&scope, &filter, Some(eligible_for)).await?;
    assert_eq!(
        (count.count as usize, count.exact),
        (found.items.len(), true)
    );
    Ok(found.items.into_iter().map(|(key, _)| key).collect())
}

fn of_type(key: i64, artifact_type: &'static str) -> ArtifactRow {
    ArtifactRow {
        artifact_type,
        ..artifact(key)
    }
}

#[tokio::test]
async fn only_ready_and_archived_artifacts_of_the_type_resolve() {
    on_each_database(async |world| {
        let states = ArtifactState::ALL.into_iter().zip(1..);
        let rows = states.map(|(state, key)| ArtifactRow {
            state,
            ..artifact(key)
        });
        world.put_artifacts(rows).await;
        let (registry, ours) = (registry(world), scope_of("ours"));
        let all = registry
            .list(
                &ours,
                &ArtifactFilter::default(),
                None,
                &PageRequest::first(9),
            )
            .await;
        let mut refusals = Vec::new();
        for (_, artifact) in all.unwrap().items {
            match registry.resolve(&ours, artifact.id, "file").await {
                Ok(found) => {
                    assert!([ArtifactState::Ready, ArtifactState::Archived].contains(&found.state));
                    assert_eq!(found, artifact, "a list shows what resolves");
                    for (scope, kind) in [(&ours, "table"), (&scope_of("theirs"), "file")] {
                        refusals.push(registry.resolve(scope, artifact.id, kind).await);
                    }
                }
                refused => refusals.push(refused),
            }
        }
        let absent = ArtifactId(uuid::Uuid::nil());
        refusals.push(registry.resolve(&ours, absent, "file").await);
        assert_eq!(refusals.len(), 8);
        for refused in refusals {
            let Err(Error::Refused(refusal)) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(refusal, Refusal::not_found("artifact", "artifactId"));
        }
    })
    .await;
}

#[tokio::test]
async fn eligible_artifacts_are_those_that_the_intent_type_accepts() {
    on_each_database(async |world| {
        let types = ["file", "table", "text", "file"].into_iter().zip(1..);
        world
            .put_artifacts(types.map(|(kind, key)| of_type(key, kind)))
            .await;
        let registry = registry(world);
        let list = async |types: &[&str], intent| list(&registry, types, intent).await;

        assert_eq!(list(&[], "parse").await.unwrap(), [1, 3, 4]);
        assert_eq!(list(&["text", "table"], "parse").await.unwrap(), [3]);
        assert_eq!(list(&["table"], "parse").await.unwrap(), [0_i64; 0]);
        assert_eq!(list(&[], "echo").await.unwrap(), [0_i64; 0]);
        let refused = list(&[], "explode").await;
        assert!(matches!(
            refused,
            Err(Error::Refused(Refusal::UnknownIntentType { intent_type })) if intent_type == "explode"
        ));
    })
    .await;
}
