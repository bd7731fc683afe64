//! The chains of the log: whatever is changed in it behind the runtime's back is found and named.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use data_encoding::BASE64;
use serde_json::{Value, json};
use takeoff::{
    model::{Execution, ExecutionId},
    state_surface::NewSession,
    storage::ChainReport,
};
use uuid::Uuid;

use crate::support::{Backend, NodeProcess, TestApp, backends};

/// The id as SQL.
fn sql(backend: &Backend, id: Uuid) -> String {
    if backend.is_postgres() {
        format!("'{id}'::uuid")
    } else {
        format!("X'{}'", id.simple())
    }
}

async fn verified(app: &TestApp) -> ChainReport {
    let report = app
        .services()
        .storage
        .verify_chain(Some(&|_| true), &[])
        .await;
    report.unwrap()
}

/// The faults that were found, each as a line.
async fn faults(app: &TestApp) -> Vec<String> {
    let faults = verified(app).await.faults;
    let mut lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.sort();
    lines
}

/// An execution of at least five events that has ended.
async fn talked(app: &TestApp) -> (ExecutionId, i64) {
    let ended: Execution = app.run("talk", json!({})).await;
    assert!(ended.next_seq > 5);
    (ended.id, ended.next_seq - 1)
}

/// SQL that puts an entry without a hash behind the last one of a stream.
fn forged(stream: &str, last: i64) -> String {
    let same = "stream_kind, tenant_id, session_id, intent_type, event_type, data, payload, occurred_at, actor";
    format!(
        "INSERT INTO event (stream_id, seq, tx, ord, {same}) SELECT stream_id, seq + 1, tx, ord + 1000, {same} \
         FROM event WHERE stream_id = {stream} AND seq = {last}"
    )
}

/// Entries of every kind of stream.
async fn entries_of_each_kind(app: &TestApp) {
    app.run("family", json!({"children": 2})).await;
    app.run("make", json!({"name": "a"})).await;
    let artifact = app.run("make", json!({"name": "b"})).await;
    let artifact: String = artifact
        .result
        .unwrap()
        .as_inline()
        .unwrap()
        .read()
        .unwrap();
    let delete =
        "mutation($id: ID!) { deleteArtifact(input: {artifactId: $id}) { errors { code } } }";
    app.data(delete, json!({"id": artifact})).await;
    let state = "mutation($id: ID!) { setSessionState(input: {sessionId: $id, state: {a: 1}, mode: MERGE}) {
        errors { code } } }";
    app.data(state, json!({"id": app.session().await.to_string()}))
        .await;
    let key =
        "mutation { createApiKey(input: {roles: [\"viewer\"]}) { apiKey { id } errors { code } } }";
    let made = app.data(key, json!({})).await;
    let revoke = "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } }";
    app.data(revoke, json!({"id": made["createApiKey"]["apiKey"]["id"]}))
        .await;
}

backends! {
    async fn what_several_nodes_write_is_one_chain_a_stream(backend: Backend) {
        let app = TestApp::start(&backend).await;
        entries_of_each_kind(&app).await;
        let report = verified(&app).await;
        assert_eq!(report.faults, []);
        assert_eq!((report.unchained, report.checkpoints, report.unsigned), (0, 0, report.entries));
        assert!(report.entries > 20, "{report:?}");
        if backend.is_postgres() {
            // Clients of both write to the same session and start trees at the same time.
            let (other, session) = (TestApp::start(&backend).await, app.session().await);
            let work = async |app: &TestApp| {
                let family = || app.run_in(session, "family", json!({"children": 8}));
                futures::future::join_all((0..8).map(|_| family())).await;
            };
            tokio::join!(work(&app), work(&other));
            other.server.node().sign_checkpoints().await.unwrap();
        }
        app.server.node().sign_checkpoints().await.unwrap();
        let report = verified(&app).await;
        assert_eq!((report.faults.as_slice(), report.unchained, report.unsigned), (&[][..], 0, 0));
        // One that nothing was added to is not signed again.
        app.server.node().sign_checkpoints().await.unwrap();
        assert_eq!(verified(&app).await.checkpoints, report.checkpoints);
    }

    async fn an_entry_that_was_altered_removed_or_put_elsewhere_is_named(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let mut streams = Vec::new();
        for _ in 0..10 {
            streams.push(talked(&app).await);
        }
        let at = |of: usize, seq: i64| format!("stream_id = {} AND seq = {seq}", sql(&backend, streams[of].0.0));
        let last = |of: usize| streams[of].1;
        let (next, id) = (last(5) + 1, |of: usize| streams[of].0.to_string());
        let to = |of: usize, seq: i64| format!("stream_id = {}, seq = {seq}", sql(&backend, streams[of].0.0));
        let tampered = [
            format!("UPDATE event SET data = '{{\"attempt\":7}}' WHERE {}", at(0, 2)),
            format!("UPDATE event SET actor = 'somebody' WHERE {}", at(1, last(1))),
            format!("DELETE FROM event WHERE {}", at(2, 3)),
            format!("DELETE FROM event WHERE {}", at(3, last(3))),
            format!("UPDATE event SET {} WHERE {}", to(5, next), at(4, 2)),
            format!("UPDATE event SET {} WHERE {}", to(6, 100), at(6, 3)),
            format!("UPDATE event SET {} WHERE {}", to(6, 3), at(7, 4)),
            format!("UPDATE event SET {} WHERE {}", to(7, 4), at(6, 100)),
            format!("DELETE FROM event WHERE stream_id = {}", sql(&backend, streams[8].0.0)),
            format!("UPDATE event SET occurred_at = occurred_at + 1 WHERE {}", at(9, 1)),
        ];
        for statement in &tampered {
            backend.execute(statement).await;
        }
        let mut expected = [
            format!("{}: entry 2 does not follow from entry 1: one of them was altered", id(0)),
            format!("{}: entry {} does not follow from entry {}: one of them was altered", id(1), last(1), last(1) - 1),
            format!("{}: entry 3 is missing", id(2)),
            format!("{}: entry {} is missing", id(3), last(3)),
            format!("{}: entry {next} is entry 2 of {}, put elsewhere", id(5), id(4)),
            format!("{}: entry 3 is entry 4 of {}, put elsewhere", id(6), id(7)),
            format!("{}: entry 4 is entry 3 of {}, put elsewhere", id(7), id(6)),
            format!("{}: entry {} is missing", id(8), last(8)),
            format!("{}: entry 1 was altered", id(9)),
        ];
        expected.sort();
        assert_eq!(faults(&app).await, expected);
    }

    async fn a_log_that_was_cut_off_with_all_that_tells_of_it_is_not_what_was_signed(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (kept, (cut, last)) = (talked(&app).await.0, talked(&app).await);
        app.server.node().sign_checkpoints().await.unwrap();
        talked(&app).await;
        app.server.node().sign_checkpoints().await.unwrap();
        assert_eq!(faults(&app).await, Vec::<String>::new());

        let id = sql(&backend, cut.0);
        backend.execute(&format!("DELETE FROM event WHERE stream_id = {id} AND seq = {last}")).await;
        backend.execute(&format!(
            "UPDATE execution SET next_seq = {last}, last_hash = \
             (SELECT hash FROM event WHERE stream_id = {id} AND seq = {last} - 1) WHERE id = {id}"
        )).await;
        let found = faults(&app).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("tenant default: the entries after cursor "), "{found:?}");
        assert!(found[0].contains("are not those that checkpoint 1 signed"), "{found:?}");

        let kept = sql(&backend, kept.0);
        backend.execute(&format!("UPDATE event SET hash = NULL WHERE stream_id = {kept}")).await;
        backend.execute(&format!("UPDATE execution SET last_hash = NULL WHERE id = {kept}")).await;
        backend.execute("DELETE FROM checkpoint WHERE number = 1").await;
        let found = faults(&app).await;
        assert!(found.contains(&"tenant default: checkpoint 1 is missing".to_owned()), "{found:?}");
        assert!(found.iter().any(|fault| fault.contains("checkpoint 2 signed")), "{found:?}");
    }

    async fn an_entry_without_a_hash_among_those_that_have_one_is_named(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let mut streams = Vec::new();
        for _ in 0..3 {
            streams.push(talked(&app).await);
        }
        let id = |of: usize| sql(&backend, streams[of].0.0);
        let (name, last) = (|of: usize| streams[of].0.to_string(), |of: usize| streams[of].1);
        // One behind the end, which its record knows; one behind the end of an altered record; a hash taken away.
        backend.execute(&forged(&id(0), last(0))).await;
        backend.execute(&forged(&id(1), last(1))).await;
        backend.execute(&format!("UPDATE execution SET next_seq = next_seq + 1 WHERE id = {}", id(1))).await;
        backend.execute(&format!("UPDATE event SET hash = NULL WHERE stream_id = {} AND seq = 3", id(2))).await;
        let without = |of: usize, seq: i64| format!("{}: entry {seq} has no hash, and comes after entries that have one", name(of));
        let mut expected = [
            without(0, last(0) + 1),
            format!("{}: entry {} comes after entry {}, which was written last", name(0), last(0) + 1, last(0)),
            without(1, last(1) + 1),
            format!("{}: entry {} is not the one that was written last", name(1), last(1) + 1),
            without(2, 3),
        ];
        expected.sort();
        assert_eq!(faults(&app).await, expected);
    }

    async fn entries_without_a_hash_are_part_of_what_is_signed(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (old, last) = talked(&app).await;
        let id = sql(&backend, old.0);
        // As a version without chains wrote it.
        backend.execute(&format!("UPDATE event SET hash = NULL WHERE stream_id = {id}")).await;
        backend.execute(&format!("UPDATE execution SET last_hash = NULL WHERE id = {id}")).await;
        app.server.node().sign_checkpoints().await.unwrap();
        assert_eq!(faults(&app).await, Vec::<String>::new());
        backend.execute(&format!("DELETE FROM event WHERE stream_id = {id} AND seq = {last}")).await;
        backend.execute(&format!("UPDATE execution SET next_seq = {last} WHERE id = {id}")).await;
        let found = faults(&app).await;
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("are not those that checkpoint 1 signed"), "{found:?}");
    }

    async fn the_altered_number_of_a_checkpoint_is_told_of_once_and_stops_nothing(backend: Backend) {
        let app = TestApp::start(&backend).await;
        talked(&app).await;
        app.server.node().sign_checkpoints().await.unwrap();
        for number in [5_000, i64::MAX] {
            backend.execute(&format!("UPDATE checkpoint SET number = {number}")).await;
            let missing = format!("tenant default: the checkpoints 1 to {} are missing", number - 1);
            assert_eq!(faults(&app).await, [missing]);
        }
        // The log of another tenant is signed all the same.
        talked(&app).await;
        let other = app.principal_of("other");
        let new = NewSession::anonymous();
        app.services().state.create_session(&other, new).await.unwrap();
        app.server.node().sign_checkpoints().await.unwrap();
        let signed = app.services().storage.find_checkpoint(&other.scope(), None).await.unwrap();
        assert_eq!(signed.unwrap().number, 1);
    }

    async fn a_log_that_has_grown_by_much_is_signed_to_its_end_at_once(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let numbers = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n <= 100000)";
        let (id, columns) = (sql(&backend, Uuid::from_u128(1)), "stream_id, seq, stream_kind, tenant_id, session_id, \
            event_type, data, tx, ord, occurred_at");
        backend.execute(&format!(
            "INSERT INTO event ({columns}) {numbers} SELECT {id}, n, 0, 'long', {id}, 'e', '{{}}', 1, n, 0 FROM n"
        )).await;
        app.server.node().sign_checkpoints().await.unwrap();
        let long = app.principal_of("long").scope();
        let last = app.services().storage.find_checkpoint(&long, None).await.unwrap().unwrap();
        assert_eq!((last.number, last.entries), (6, 100_001));
    }

    async fn nodes_that_share_a_database_sign_by_configured_keys_alone(backend: Backend) {
        let app = TestApp::start_with(&backend, &["log.checkpoint_keys="]).await;
        talked(&app).await;
        app.server.node().sign_checkpoints().await.unwrap();
        let has_file = backend.folder.path().join("checkpoint.key").exists();
        let signed = u64::from(!backend.is_postgres());
        assert_eq!((verified(&app).await.checkpoints, has_file), (signed, !backend.is_postgres()));
        app.server.stop().await;
        let node = NodeProcess::start(&backend, &["log.checkpoint_keys="]).await;
        let warned = node.log().contains("the log is not signed: set log.checkpoint_keys");
        assert_eq!(warned, backend.is_postgres());
    }

    async fn a_checkpoint_that_was_kept_elsewhere_is_compared(backend: Backend) {
        let keys = "log.checkpoint_keys=c1:0123456789abcdef0123456789abcdef";
        let app = TestApp::start(&backend).await;
        talked(&app).await;
        app.server.node().sign_checkpoints().await.unwrap();
        let session = app.session().await;
        app.run_in(session, "talk", json!({})).await;
        app.server.stop().await;
        let app = TestApp::start(&backend).await;
        let mut kept = Vec::new();
        for number in ["1", "2"] {
            let checkpoint = app.data(CHECKPOINT, json!({"number": number})).await["logCheckpoint"].take();
            kept.push(format!("default:{number}:{}", checkpoint["hash"].as_str().unwrap()));
        }
        app.server.crash();
        let verify = async |checkpoints: &[&str]| {
            let flags = checkpoints.iter().flat_map(|kept| ["--checkpoint", kept]);
            let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_takeoff"))
                .env_clear()
                .args(["verify", "--chain", "--database-url", &backend.url(), "--set", keys])
                .args(flags)
                .output().await.unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.code().unwrap(), String::from_utf8(said).unwrap())
        };
        let all: Vec<&str> = kept.iter().map(String::as_str).collect();
        let (code, said) = verify(&all).await;
        assert_eq!(code, 0, "{said}");
        let other = format!("default:1:{}", "0".repeat(64));
        let (code, said) = verify(&[&other]).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("tenant default: checkpoint 1 is not the one that was kept elsewhere"), "{said}");
        let (code, said) = verify(&["default:1:abc"]).await;
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("a checkpoint is TENANT:NUMBER:HASH"), "{said}");
        // Cut back to the first checkpoint, which alone shows nothing.
        backend.execute("DELETE FROM checkpoint WHERE number > 1").await;
        let (code, said) = verify(&all).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("tenant default: checkpoint 2, which was kept elsewhere, is not there"), "{said}");
    }

    async fn the_command_names_what_was_altered_and_knows_the_keys_of_the_server(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (altered, _) = talked(&app).await;
        app.server.stop().await;
        let data_dir = backend.folder.path().to_str().unwrap();
        let verify = async |settings: &[&str]| {
            let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_takeoff"))
                .env_clear()
                .args(["verify", "--chain", "--database-url", &backend.url(), "--data-dir", data_dir])
                .args(settings)
                .output().await.unwrap();
            (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
        };
        let own = ["--set", "log.checkpoint_keys=c1:0123456789abcdef0123456789abcdef"];
        let (code, said) = verify(&own).await;
        assert_eq!(code, 0, "{said}");
        assert!(said.contains("log entries in chains, 0 entries since the last of 1 checkpoints: 0 faults"), "{said}");
        let (code, said) = verify(&["--set", "log.checkpoint_keys=fedcba9876543210fedcba9876543210"]).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("checkpoint 1 was not signed by a key of this server"), "{said}");
        let (code, said) = verify(&[]).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("no keys are known, so no signature of a checkpoint was checked"), "{said}");
        assert!(said.contains("the last of 1 checkpoints: 1 faults"), "{said}");
        let id = sql(&backend, altered.0);
        backend.execute(&format!("UPDATE event SET actor = 'x' WHERE stream_id = {id} AND seq = 2")).await;
        let (code, said) = verify(&own).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(&format!("{altered}: entry 2 does not follow from entry 1")), "{said}");
    }

    async fn a_client_that_keeps_a_checkpoint_notices_that_history_has_changed(backend: Backend) {
        let keys = "log.checkpoint_keys=c1:0123456789abcdef0123456789abcdef";
        let app = TestApp::start_with(&backend, &[keys]).await;
        assert_eq!(app.data(CHECKPOINT, json!({})).await, json!({"logCheckpoint": null}));
        talked(&app).await;
        app.server.node().sign_checkpoints().await.unwrap();
        let kept = app.data(CHECKPOINT, json!({})).await["logCheckpoint"].take();
        assert_eq!(kept["number"], "1");
        let fields = kept["statement"].as_str().unwrap().lines().collect::<Vec<_>>();
        let told = [&kept["number"], &kept["position"], &kept["entries"], &kept["hash"]];
        assert_eq!(fields[2..7], [&["default"], &told.map(|it| it.as_str().unwrap())[..]].concat());
        assert!(is_signed(&kept, kept["statement"].as_str().unwrap()));
        assert!(!is_signed(&kept, &kept["statement"].as_str().unwrap().replace("default", "other")));

        // Nothing of it changes when the log goes on, on another start by the same keys.
        let session = app.session().await;
        app.server.stop().await;
        let app = TestApp::start_with(&backend, &[keys]).await;
        app.run_in(session, "talk", json!({})).await;
        app.server.node().sign_checkpoints().await.unwrap();
        let newest = app.data(CHECKPOINT, json!({})).await["logCheckpoint"].take();
        assert_eq!(newest["number"], "3");
        assert_eq!(newest["publicKey"], kept["publicKey"]);
        let again = app.data(CHECKPOINT, json!({"number": "1"})).await["logCheckpoint"].take();
        assert_eq!(again, kept);
        let after = "query($after: String) { walEntries(after: $after) { nodes { type } } }";
        let after = app.data(after, json!({"after": kept["position"]})).await;
        assert!(!after["walEntries"]["nodes"].as_array().unwrap().is_empty());

        // History without its end, signed anew by somebody who has no key: the client has another one.
        backend.execute("DELETE FROM checkpoint WHERE number > 1").await;
        backend.execute("UPDATE checkpoint SET entries = entries - 1").await;
        let forged = app.data(CHECKPOINT, json!({"number": "1"})).await["logCheckpoint"].take();
        assert_ne!(forged, kept);
        assert!(!is_signed(&forged, forged["statement"].as_str().unwrap()));
        assert_eq!(app.data(CHECKPOINT, json!({"number": "3"})).await["logCheckpoint"], Value::Null);
    }
}

const CHECKPOINT: &str = "query($number: BigInt) { logCheckpoint(number: $number) {
    number position entries hash signedAt statement signature keyId publicKey } }";

/// What a client does with the key that it knows.
fn is_signed(checkpoint: &Value, statement: &str) -> bool {
    let bytes = |name: &str| {
        BASE64
            .decode(checkpoint[name].as_str().unwrap().as_bytes())
            .unwrap()
    };
    let key = UnparsedPublicKey::new(&ED25519, bytes("publicKey"));
    key.verify(statement.as_bytes(), &bytes("signature"))
        .is_ok()
}
