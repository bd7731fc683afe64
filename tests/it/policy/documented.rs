//! The examples of docs/policy.md, each run as it stands there.

use serde_json::{Value, json};
use takeoff::model::ArtifactState;

use super::{
    folder,
    member::{Member, by},
    told,
};
use crate::support::{TestApp, backends};

const DOCUMENT: &str = include_str!("../../../docs/policy.md");

/// The blocks of the document in a language.
fn blocks(language: &str) -> Vec<&'static str> {
    let opening = format!("```{language}\n");
    let blocks = DOCUMENT.split(opening.as_str()).skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap())
        .collect()
}

backends! {
    async fn the_examples_do_what_the_document_says(backend: Backend) {
        let examples = blocks("cedar");
        let ids = ["small-content", "anonymous-echo-only", "operators-delete", "own-profiles", "save-where-opened"];
        for (example, id) in examples.iter().zip(ids) {
            assert!(example.starts_with(&format!("@id(\"{id}\")")), "{example}");
        }
        assert_eq!(examples.len(), ids.len());
        let names: Vec<String> = ids.iter().map(|id| format!("{id}.cedar")).collect();
        let files: Vec<_> = names.iter().map(String::as_str).zip(examples).collect();
        let set = folder(&backend, &files);
        let app = TestApp::start_with(&backend, &[&set]).await;

        let anonymous = Member::of(&app, "default").await;
        let file = |content: &str| json!({"filename": "a.csv", "content": content});
        assert_eq!(anonymous.submits("ingest_file", file("a\nb\n")).await, Some(by("anonymous-echo-only")));
        assert_eq!(anonymous.submits("echo", json!({"message": ""})).await, None);

        let ann = anonymous.elsewhere(Some("ann")).await;
        assert_eq!(ann.runs("ingest_file", file(&"a\n".repeat(1 << 15))).await, None);
        let denied = Some("the policy \"small-content\" denies materialize here".to_owned());
        assert_eq!(ann.runs("ingest_file", file(&"a\n".repeat(1 << 16))).await, denied);

        let kept = ann.ingest("b.csv", "a,b\n1,2\n").await;
        let save = json!({"artifact_id": kept.id});
        let bob = anonymous.elsewhere(Some("bob")).await;
        let denied = Some("the policy \"save-where-opened\" denies materialize here".to_owned());
        assert_eq!(bob.runs("save_materialization", save.clone()).await, denied);
        assert_eq!(ann.runs("save_materialization", save.clone()).await, None);

        let parsed = ann.run("parse_content", save.clone()).await;
        let parsed = json!({"artifact_id": ann.result_artifact(&parsed).await.id});
        let profile = ann.run("create_deterministic_embeddings", parsed).await;
        let profile = ann.result_artifact(&profile).await;
        assert_eq!(ann.reads(&profile).await, Some(by("own-profiles")));
        assert_eq!(ann.reads(&kept).await, None);

        // Whoever asks by the program may operate.
        assert_eq!(ann.changes(&kept, ArtifactState::Archived).await, None);
        assert_eq!(ann.changes(&kept, ArtifactState::Deleted).await, None);

        let [query] = blocks("graphql")[..] else { panic!("one query") };
        let listed = app.data(query, json!({})).await;
        let listed = listed["walEntries"]["nodes"].as_array().unwrap().len();
        let denials: Vec<Value> = told(&app).await;
        assert_eq!((listed, denials.len()), (4, 4));
        app.assert_verified().await;
    }
}

#[tokio::test]
async fn the_commands_of_the_document_work() {
    let folder = tempfile::tempdir().unwrap();
    let [commands] = blocks("sh")[..] else {
        panic!("one block")
    };
    let (commands, serve) = commands.split_once("takeoff serve ").unwrap();
    assert_eq!(serve, "--set policy.folder=policies\n");
    let takeoff = std::path::Path::new(env!("CARGO_BIN_EXE_takeoff"));
    let path = std::env::join_paths([
        takeoff.parent().unwrap(),
        "/bin".as_ref(),
        "/usr/bin".as_ref(),
    ]);
    let done = tokio::process::Command::new("sh")
        .args([
            "-e",
            "-c",
            &format!("{commands}\ntakeoff config --set policy.folder=policies"),
        ])
        .env_clear()
        .env("PATH", path.unwrap())
        .current_dir(folder.path())
        .output()
        .await
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}
