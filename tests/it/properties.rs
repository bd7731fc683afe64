//! Random histories against plain models. The cases are the same at every run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use serde_json::{Value, json};
use takeoff::{
    model::{ArtifactId, ArtifactState, ExecutionStatus, Refusal, TransitionRequest},
    services::Error,
    storage,
};

use crate::support::{TestApp, backends};

fn cases<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect()
}

async fn make(app: &TestApp, name: &str, parents: &[ArtifactId]) -> ArtifactId {
    let done = app
        .run("make", json!({"name": name, "parents": parents}))
        .await;
    done.result.unwrap().as_inline().unwrap().read().unwrap()
}

/// The artifacts that can be reached, each with its distance.
fn walk(start: usize, next: &BTreeMap<usize, BTreeSet<usize>>) -> BTreeMap<usize, u64> {
    let mut found = BTreeMap::from([(start, 0)]);
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for other in next.get(&node).into_iter().flatten() {
            if !found.contains_key(other) {
                found.insert(*other, found[&node] + 1);
                queue.push_back(*other);
            }
        }
    }
    found
}

/// The ids below `field` at any depth of a nested answer.
fn nested(value: &Value, field: &str, found: &mut BTreeSet<String>) {
    found.insert(value["id"].as_str().unwrap().to_owned());
    for node in value[field]["nodes"].as_array().into_iter().flatten() {
        nested(node, field, found);
    }
}

fn nesting(field: &str, depth: usize) -> String {
    (0..depth).fold("id".to_owned(), |inner, _| {
        format!("id {field}(first: 9) {{ nodes {{ {inner} }} }}")
    })
}

backends! {
    async fn nested_fields_flat_lineage_and_a_plain_walk_agree(backend: Backend) {
        const SIZE: usize = 9;
        // Deeper and dearer than anybody else may ask.
        let limits = ["graphql.max_depth=40", "graphql.max_cost=4000000000", "graphql.cost_per_second=4000000000"];
        let app = TestApp::start_with(&backend, &limits).await;
        let edges = prop::collection::btree_set((1..SIZE, 0..SIZE), 0..16);
        for (round, edges) in cases(&edges, 3).into_iter().enumerate() {
            let mut parents: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            let mut children: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
            for (child, parent) in edges.into_iter().filter(|(child, parent)| parent < child) {
                parents.entry(child).or_default().insert(parent);
                children.entry(parent).or_default().insert(child);
            }
            let mut ids: Vec<ArtifactId> = Vec::new();
            for n in 0..SIZE {
                let of_n: Vec<_> = parents.get(&n).into_iter().flatten().map(|p| ids[*p]).collect();
                ids.push(make(&app, &format!("r{round}n{n}"), &of_n).await);
            }
            for start in [0, SIZE / 2, SIZE - 1] {
                for (field, direction, next) in
                    [("parents", "UPSTREAM", &parents), ("children", "DOWNSTREAM", &children)]
                {
                    let plain = walk(start, next);
                    let query = format!(
                        "query($id: ID!) {{ artifact(id: $id) {{ {} }}
                         lineage(roots: [$id], direction: {direction}, maxDepth: 100) {{
                         nodes {{ depth artifact {{ id }} }} edges {{ parentId childId }} truncated }} }}",
                        nesting(field, SIZE - 1)
                    );
                    let answer = app.data(&query, json!({"id": ids[start]})).await;
                    let mut by_fields = BTreeSet::new();
                    nested(&answer["artifact"], field, &mut by_fields);
                    let expected: BTreeSet<String> =
                        plain.keys().map(|n| ids[*n].to_string()).collect();
                    assert_eq!(by_fields, expected, "{field} of {start}");
                    let flat: BTreeMap<String, u64> = answer["lineage"]["nodes"].as_array().unwrap()
                        .iter()
                        .map(|node| {
                            let id = node["artifact"]["id"].as_str().unwrap().to_owned();
                            (id, node["depth"].as_u64().unwrap())
                        })
                        .collect();
                    let depths: BTreeMap<String, u64> =
                        plain.iter().map(|(n, depth)| (ids[*n].to_string(), *depth)).collect();
                    assert_eq!(flat, depths, "{direction} of {start}");
                    let edges = plain.keys().map(|n| {
                        next.get(n).map_or(0, |far| far.iter().filter(|f| plain.contains_key(f)).count())
                    });
                    let count: usize = edges.sum();
                    assert_eq!(answer["lineage"]["edges"].as_array().unwrap().len(), count);
                    assert_eq!(answer["lineage"]["truncated"], false);
                }
            }
        }
        app.assert_verified().await;
    }

    async fn an_artifact_follows_its_table_whatever_is_asked(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (principal, scope) = (app.principal(), app.principal().scope());
        let wishes = prop::collection::vec(prop::sample::select(&ArtifactState::ALL[..]), 12);
        for (round, wishes) in cases(&wishes, 6).into_iter().enumerate() {
            let id = make(&app, &format!("a{round}"), &[]).await;
            let mut state = ArtifactState::Ready;
            let mut history = vec![state];
            for to in wishes {
                let request =
                    TransitionRequest { artifact_id: id, to, actor: "ann".into(), reason: None };
                let answer = app.services().artifacts.transition(&principal, request).await;
                if state.can_become(to) {
                    assert_eq!(answer.unwrap().state, to);
                    state = to;
                    history.push(to);
                } else {
                    let refused = Refusal::InvalidTransition { from: state, to };
                    assert!(matches!(answer, Err(storage::Error::Refused(found)) if found == refused));
                }
                let resolved = app.services().artifacts.resolve(&scope, id, "thing").await;
                assert_eq!(resolved.is_ok(), state.resolves());
            }
            let kept = app.services().storage.find_transitions(&scope, &[id]).await.unwrap();
            let kept: Vec<ArtifactState> = kept[&id].iter().map(|change| change.to).collect();
            assert_eq!(kept, history);
        }
        app.assert_verified().await;
    }

    async fn an_execution_ends_once_whatever_happens_to_it(backend: Backend) {
        #[derive(Debug, Clone)]
        enum Act { Submit, Cancel(usize), Release, Rerun(usize) }
        let act = prop_oneof![
            4 => Just(Act::Submit),
            3 => (0..8_usize).prop_map(Act::Cancel),
            3 => Just(Act::Release),
            1 => (0..8_usize).prop_map(Act::Rerun),
        ];
        let app = TestApp::start(&backend).await;
        let (principal, session) = (app.principal(), app.session().await);
        let runtime = &app.services().runtime;
        for acts in cases(&prop::collection::vec(act, 25), 4) {
            let mut ids = Vec::new();
            for act in acts {
                match act {
                    Act::Submit => ids.push(app.submit(session, "gated", json!({})).await.id),
                    Act::Release => app.solution.gate.add_permits(1),
                    Act::Cancel(n) => {
                        if let Some(id) = ids.get(n) {
                            let answer = runtime.cancel(&principal, *id, None).await;
                            let ended = matches!(answer, Err(Error::Refused(Refusal::AlreadyTerminal { .. })));
                            assert!(answer.is_ok() || ended);
                        }
                    }
                    Act::Rerun(n) => {
                        if let Some(id) = ids.get(n) {
                            let before = app.execution(*id).await;
                            if let Ok(again) = runtime.rerun(&principal, *id, None).await {
                                assert!(before.status.is_terminal() || app.execution(*id).await.status.is_terminal());
                                ids.push(again.execution.id);
                            }
                        }
                    }
                }
            }
            app.solution.gate.add_permits(ids.len());
            for id in ids {
                let ended = app.ended(id).await;
                let types = app.event_types(id).await;
                let ends: Vec<&String> = types.iter().filter(|name| {
                    ["execution.completed", "execution.failed", "execution.cancelled"].contains(&name.as_str())
                }).collect();
                assert_eq!(ends.len(), 1, "{types:?}");
                assert_eq!(types.last(), Some(ends[0]));
                let was_asked = types.iter().any(|name| name == "execution.cancel_requested");
                assert_eq!(ended.status == ExecutionStatus::Cancelled, was_asked, "{types:?}");
            }
            while let Ok(permit) = app.solution.gate.try_acquire() { permit.forget(); }
        }
        app.assert_verified().await;
    }
}
