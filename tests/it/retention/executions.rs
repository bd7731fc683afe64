//! Executions that have ended go with all that is theirs; what they made stays.

use serde_json::{Value, json};
use takeoff::model::ExecutionStatus;

use super::{AT_ONCE, count};
use crate::support::{TestApp, backends};

/// Tables whose rows belong to executions.
const OF_EXECUTIONS: [&str; 6] = [
    "execution",
    "step",
    "execution_state",
    "artifact_found",
    "idempotency",
    "event WHERE stream_kind = 0",
];

async fn made(app: &TestApp, name: &str, parents: &[&str]) -> String {
    let made = app
        .run("make", json!({"name": name, "parents": parents}))
        .await;
    let id: String = made.result.unwrap().as_inline().unwrap().read().unwrap();
    id
}

backends! {
    async fn what_has_ended_goes_with_all_that_is_its_own_and_what_lives_stays(backend: Backend) {
        let app = TestApp::start_with(&backend, &AT_ONCE).await;
        let session = app.session().await;
        app.run_in(session, "family", json!({"children": 3})).await;
        app.run_in(session, "steps", json!({})).await;
        let failed = app.run_in(session, "flaky", json!({"failures": 9})).await;
        assert_eq!(failed.status, ExecutionStatus::Failed);
        let live = app.submit(session, "family", json!({"children": 1, "gated": true})).await;
        app.server.node().sign_checkpoints().await.unwrap();
        let removed = app.services().runtime.remove_old().await.unwrap();
        assert_eq!(removed.executions, 6);
        app.assert_verified().await;
        // The tree of a live root stays whole.
        app.until(|| async { (count(&backend, "execution").await == 2).then_some(()) }).await;
        assert_eq!(count(&backend, "idempotency").await, 1);
        app.solution.gate.add_permits(10);
        app.ended(live.id).await;
        assert_eq!(app.services().runtime.remove_old().await.unwrap().executions, 2);
        for table in OF_EXECUTIONS {
            assert_eq!(count(&backend, table).await, 0, "{table}");
        }
        app.server.node().sign_checkpoints().await.unwrap();
        app.assert_verified().await;
    }

    async fn artifacts_outlive_their_executions_with_their_lineage(backend: Backend) {
        let app = TestApp::start_with(&backend, &AT_ONCE).await;
        let parent = made(&app, "a", &[]).await;
        let child = made(&app, "b", &[&parent]).await;
        app.server.node().sign_checkpoints().await.unwrap();
        assert_eq!(app.services().runtime.remove_old().await.unwrap().executions, 2);
        app.assert_verified().await;
        let query = "query($id: ID!) {
            artifact(id: $id) { producedBy { intentType execution { id } } transitions { to } }
            lineage(roots: [$id]) { nodes { artifact { id } } edges { parentId childId } }
        }";
        let found = app.data(query, json!({"id": child})).await;
        assert_eq!(found["artifact"]["producedBy"], json!({"intentType": "make", "execution": null}));
        assert_eq!(found["lineage"]["edges"], json!([{"parentId": parent, "childId": child}]));
        // Its later life is told in a stream of its own.
        let delete = "mutation($id: ID!) { deleteArtifact(input: {artifactId: $id}) { errors { code } } }";
        app.data(delete, json!({"id": child})).await;
        app.server.node().sign_checkpoints().await.unwrap();
        app.services().runtime.remove_old().await.unwrap();
        app.assert_verified().await;
        let found = app.data(query, json!({"id": child})).await;
        let states: Vec<&Value> = found["artifact"]["transitions"]
            .as_array().unwrap().iter().map(|one| &one["to"]).collect();
        assert_eq!(states, ["READY", "ARCHIVED", "DELETED"]);
    }

    async fn an_entry_that_is_said_to_be_removed_and_was_not_is_named(backend: Backend) {
        let app = TestApp::start_with(&backend, &AT_ONCE).await;
        app.run("add", json!({"a": 1, "b": 2})).await;
        // It is not signed yet, so its hashes stay.
        app.services().runtime.remove_old().await.unwrap();
        assert!(app.verify_chain().await.removed > 0);
        let kept = app.run("add", json!({"a": 1, "b": 2})).await;
        app.server.node().sign_checkpoints().await.unwrap();
        app.assert_verified().await;
        // As retention would, but without the keys.
        backend.execute(
            "INSERT INTO removed_entry (tenant_id, tx, ord, seq, hash, seal) \
             SELECT tenant_id, tx, ord, seq, hash, \
             (SELECT seal FROM removed_entry ORDER BY tx LIMIT 1) FROM event WHERE stream_kind = 0",
        ).await;
        backend.execute("DELETE FROM event WHERE stream_kind = 0").await;
        backend.execute("DELETE FROM execution").await;
        assert_eq!(app.verify().await.differences, []);
        let faults = app.verify_chain().await.faults;
        assert_eq!(i64::try_from(faults.len()).unwrap(), kept.next_seq - 1, "{faults:?}");
        assert!(faults[0].what.ends_with("was removed, and not by this server"), "{faults:?}");
        // Or without a trace.
        backend.execute("DELETE FROM removed_entry").await;
        let faults = app.verify_chain().await.faults;
        assert!(faults[0].what.contains("are not those that checkpoint 1 signed"), "{faults:?}");
    }

    async fn what_is_kept_longer_stays_by_end_type_and_tenant(backend: Backend) {
        let mut settings = AT_ONCE.to_vec();
        settings.extend([
            "retention.failed=30d",
            "retention.types=steps = completed:forever",
            "retention.tenants=other = completed:1h",
        ]);
        let app = TestApp::start_with(&backend, &settings).await;
        let session = app.session().await;
        let gone = app.run_in(session, "add", json!({"a": 1, "b": 2})).await;
        let kept = [
            app.run_in(session, "steps", json!({})).await,
            app.run_in(session, "flaky", json!({"failures": 9})).await,
        ];
        assert_eq!(app.services().runtime.remove_old().await.unwrap().executions, 1);
        for kept in kept {
            app.execution(kept.id).await;
        }
        let query = "query($id: ID!) { execution(id: $id) { id } }";
        let found = app.data(query, json!({"id": gone.id.to_string()})).await;
        assert_eq!(found["execution"], Value::Null);
        app.assert_verified().await;
    }

    async fn a_key_is_free_when_its_execution_is_gone(backend: Backend) {
        let app = TestApp::start_with(&backend, &AT_ONCE).await;
        let session = app.session().await;
        let submit = async || {
            let query = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) {
                execution { id } replayed errors { code } } }";
            let input = json!({"intentType": "add", "sessionId": session.to_string(), "idempotencyKey": "k",
                "parameters": {"a": 1, "b": 2}});
            app.data(query, json!({"input": input})).await["submitIntent"].take()
        };
        let id = |answer: &Value| -> takeoff::model::ExecutionId {
            answer["execution"]["id"].as_str().unwrap().parse().unwrap()
        };
        let first = submit().await;
        app.ended(id(&first)).await;
        assert_eq!(submit().await["replayed"], true);
        assert_eq!(app.services().runtime.remove_old().await.unwrap().executions, 1);
        let second = submit().await;
        assert_eq!((second["replayed"].as_bool(), &second["errors"]), (Some(false), &json!([])));
        assert_ne!(id(&first), id(&second));
        app.ended(id(&second)).await;
        app.assert_verified().await;
    }
}

/// `takeoff retention`.
fn said(backend: &crate::support::Backend, settings: &[&str]) -> String {
    let folder = backend.folder.path();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_takeoff"));
    command.args(["--config", "takeoff.toml", "--database-url", &backend.url()]);
    for setting in settings {
        command.args(["--set", setting]);
    }
    let output = command
        .arg("retention")
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

backends! {
    async fn the_command_says_what_would_go_and_what_stays_and_why(backend: Backend) {
        let app = TestApp::start_with(&backend, &["retention.period_seconds=86400"]).await;
        let session = app.session().await;
        app.run_in(session, "family", json!({"children": 2})).await;
        app.run_in(session, "add", json!({"a": 1, "b": 2})).await;
        app.server.stop().await;
        let types = "retention.types=add = completed:forever";
        let found = said(&backend, &["retention.completed=0s", types]);
        let expected = "default: completed executions: 3 would go; 1 stay: trees that are kept for ever\n";
        assert_eq!(found, expected);
        let found = said(&backend, &[]);
        assert!(found.contains("0 would go; 2 stay: trees that have not ended for long enough"), "{found}");
        assert_eq!(count(&backend, "execution").await, 4);
    }
}
