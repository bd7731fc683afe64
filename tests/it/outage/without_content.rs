//! The content store is away.

use std::path::Path;

use super::*;
use crate::support::s3::S3;

/// The disk of the content store is not mounted for a while, or its bucket is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_store_that_is_away_is_no_execution_s_fault_however_often_it_is_tried() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    let mut large = Vec::new();
    // One that reads its parameters from the store, and one that writes its result there.
    let name = "x".repeat(20_000);
    for (intent_type, parameters) in [
        ("gated", json!({"padding": name})),
        ("big", json!({"bytes": 20_000})),
    ] {
        let intent = takeoff::runtime::SubmitIntent {
            run_at: Some(i64::MAX / 4),
            ..takeoff::runtime::SubmitIntent::new(intent_type, session, RawJson::from(&parameters))
        };
        large.push(app.try_submit(intent).await.unwrap().execution.id);
    }
    let (content, disk) = (
        backend.folder.path().join("content"),
        backend.folder.path().join("disk"),
    );
    std::fs::rename(&content, &disk).unwrap();
    // Far more attempts than are lost before an execution is given up whose nodes die.
    backend
        .execute("UPDATE execution SET lost_attempts = 0")
        .await;
    backend.execute("UPDATE timer SET fire_at = 0").await;
    for id in &large {
        let lost = |execution: Execution| execution.lost_attempts >= 3;
        app.until(|| async { lost(app.execution(*id).await).then_some(()) })
            .await;
        assert_eq!(app.execution(*id).await.status, ExecutionStatus::Running);
    }
    std::fs::rename(&disk, &content).unwrap();
    app.solution.gate.add_permits(1);
    for id in large {
        let ended = app.ended(id).await;
        assert_eq!(
            ended.status,
            ExecutionStatus::Completed,
            "{:?}",
            ended.error
        );
    }
    app.assert_verified().await;
}

/// A text of a content store that no tenant is to read.
const SECRET: &str = "AccessDenied: arn:aws:iam::4711:role/backstage may not read";
const READS: [&str; 5] = ["whole", "stream", "lines", "wrapped", "piped"];
const WAYS: [&str; 6] = ["whole", "stream", "lines", "wrapped", "piped", "store"];

/// A server whose content is in a bucket.
async fn in_a_bucket(backend: &Backend) -> (TestApp, S3, String) {
    let (s3, address) = S3::start().await;
    let endpoint = format!("content.s3.endpoint={address}");
    let settings = [
        "content.url=s3://backstage/prefix",
        endpoint.as_str(),
        "content.s3.allow_http=true",
        "content.s3.access_key_id=id",
        "content.s3.secret_access_key=key",
        "content.s3.region=nowhere",
    ];
    (TestApp::start_with(backend, &settings).await, s3, address)
}

/// Records that are there before the store goes away or is damaged.
struct Before {
    session: SessionId,
    /// An execution with large parameters and a large result.
    large: ExecutionId,
    /// Parsed content: rows of JSON, packed.
    parsed: String,
    link: String,
    /// Where bytes can still be sent, and the id of an upload that has arrived.
    announced: String,
    upload_id: Value,
}

async fn announce(app: &TestApp, bytes: usize) -> (String, Value) {
    let query = "mutation($input: CreateUploadInput!) { createUpload(input: $input) {
        url upload { id } errors { code } } }";
    let input = json!({"filename": "rows.csv", "sizeBytes": bytes.to_string()});
    let mut made = app.data(query, json!({"input": input})).await["createUpload"].take();
    (
        made["url"].as_str().unwrap().to_owned(),
        made["upload"]["id"].take(),
    )
}

async fn prepare(app: &TestApp) -> Before {
    let session = app.session().await;
    let parameters = json!({"bytes": 20_000, "padding": "x".repeat(20_000)});
    let large = app.run_in(session, "big", parameters).await.id;
    let rows: Vec<String> = (0..30_000).map(|n| format!("{n},name {n}\n")).collect();
    let rows = rows.concat();
    let (url, upload_id) = announce(app, rows.len() + 8).await;
    let sent = app
        .http
        .put(app.url(&url))
        .body(format!("id,name\n{rows}"))
        .send();
    assert_eq!(sent.await.unwrap().status(), 201);
    let journey =
        json!({"journey_id": "content_pipeline", "filename": "rows.csv", "upload_id": upload_id});
    let done = app.run("compose_journey", journey).await;
    let steps = done.result.unwrap().as_inline().unwrap().to_value()["steps"].take();
    let parsed = steps["parse"]["result"]["artifact_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let query = "query($id: ID!) { artifact(id: $id) { materializations { downloadUrl } } }";
    let found = app.data(query, json!({"id": parsed})).await;
    let link = found["artifact"]["materializations"][0]["downloadUrl"]
        .as_str()
        .unwrap();
    Before {
        session,
        large,
        link: link.to_owned(),
        parsed,
        announced: announce(app, 9).await.0,
        upload_id,
    }
}

/// The answer, whose every word a tenant may read.
fn clean(text: &str, never: &[&str]) -> Value {
    for secret in never {
        assert!(!text.contains(secret), "{secret:?} in {text}");
    }
    serde_json::from_str(text).unwrap()
}

async fn ask(app: &TestApp, query: &str, variables: Value, never: &[&str]) -> Value {
    let answer = app.graphql(query, variables).await;
    let mut answer = clean(&answer.to_string(), never);
    let error = answer["errors"][0]["extensions"]["code"].take();
    assert!(error.is_string(), "{query}: {answer}");
    error
}

/// Asserts GraphQL's answers to whoever needs content.
async fn assert_graphql_tells(app: &TestApp, before: &Before, code: &str, never: &[&str]) {
    let reads = [
        (
            "query($id: ID!) { execution(id: $id) { result } }",
            json!({"id": before.large}),
        ),
        (
            "query($id: ID!) { execution(id: $id) { intent { parameters } } }",
            json!({"id": before.large}),
        ),
        (
            "query($id: ID!) { artifact(id: $id) { materializations { preview(first: 1, offset: \"29000\") } } }",
            json!({"id": before.parsed}),
        ),
    ];
    for (query, variables) in reads {
        assert_eq!(ask(app, query, variables, never).await, code, "{query}");
    }
}

/// Asserts the answers of GraphQL, REST and signed links to whoever needs content.
async fn assert_clients_are_told(app: &TestApp, before: &Before, code: &str, never: &[&str]) {
    assert_graphql_tells(app, before, code, never).await;
    let path = format!("/api/execution/{}/status", before.large);
    for path in [path.as_str(), before.link.as_str()] {
        let answer = app.http.get(app.url(path)).send().await.unwrap();
        let status = answer.status().as_u16();
        let answer = clean(&answer.text().await.unwrap(), never);
        assert_eq!(answer["error_code"], code, "{path}");
        assert_eq!(status, if code == "INTERNAL" { 500 } else { 503 });
    }
}

/// Handlers that reach content in these ways.
async fn handled(app: &TestApp, before: &Before, ways: &[&str]) -> Vec<ExecutionId> {
    let mut all = Vec::new();
    for way in ways {
        let parameters = json!({"artifact": before.parsed, "way": way});
        all.push(app.submit(before.session, "handle", parameters).await.id);
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_bucket_says_reaches_a_tenant_and_its_outage_counts_no_attempt() {
    let backend = Backend::sqlite();
    let (app, s3, address) = in_a_bucket(&backend).await;
    let before = prepare(&app).await;
    let never = [
        "AccessDenied",
        "4711",
        "backstage",
        &address,
        "object_store",
        "s3://",
        "S3",
    ];
    s3.with(|bucket| bucket.refusal = Some(SECRET.to_owned()));

    assert_clients_are_told(&app, &before, "UNAVAILABLE", &never).await;
    let submit = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) {
        execution { id } errors { code } } }";
    for (intent_type, parameters) in [
        ("big", json!({"bytes": 1, "padding": "y".repeat(20_000)})),
        (
            "ingest_file",
            json!({"ui_name": "rows.csv", "upload_id": before.upload_id}),
        ),
    ] {
        let input = json!({"intentType": intent_type, "sessionId": before.session, "parameters": parameters});
        assert_eq!(
            ask(&app, submit, json!({"input": input}), &never).await,
            "UNAVAILABLE",
            "{intent_type}"
        );
    }
    let sent = app
        .http
        .put(app.url(&before.announced))
        .body("nine byte")
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 503);
    let answer = clean(&sent.text().await.unwrap(), &never);
    assert_eq!(answer["error_code"], "UNAVAILABLE");

    let all = handled(&app, &before, &WAYS).await;
    for id in &all {
        let lost = |execution: Execution| execution.lost_attempts >= 3;
        app.until(|| async { lost(app.execution(*id).await).then_some(()) })
            .await;
    }
    s3.with(|bucket| bucket.refusal = None);
    for id in all {
        let ended = app.ended(id).await;
        assert_eq!(
            ended.status,
            ExecutionStatus::Completed,
            "{:?}",
            ended.error
        );
        assert_eq!(ended.attempt - ended.lost_attempts, 1);
        for event in app.events(id).await {
            let EventBody::ExecutionRetrying { error, lost, .. } = &event.body else {
                continue;
            };
            assert_eq!((error.code.as_str(), *lost), ("UNAVAILABLE", true));
            clean(&json!(error.message).to_string(), &never);
        }
    }
    app.assert_verified().await;
}

/// The objects of the store, made into something else: `damage` gets the path of each.
fn damage(backend: &Backend, damage: fn(&Path)) {
    let mut folders = vec![backend.folder.path().join("content")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap().len() == 64 {
                damage(&path);
            }
        }
    }
}

/// Handlers that fail by what is stored: their attempts count, and what they tell is clean.
async fn assert_handlers_fail(app: &TestApp, before: &Before, ways: &[&str], never: &[&str]) {
    for id in handled(app, before, ways).await {
        let ended = app.ended(id).await;
        assert_eq!(
            (ended.attempt, ended.lost_attempts),
            (2, 0),
            "{:?}",
            ended.error
        );
        let error = ended.error.unwrap();
        assert_eq!(error.code, "INTERNAL");
        clean(&json!(error.message).to_string(), never);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_content_that_is_damaged_is_an_internal_fault_that_shows_no_place() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let before = prepare(&app).await;
    let folder = backend.folder.path().display().to_string();
    let never = [
        folder.as_str(),
        "content/default",
        "folder",
        "Generic",
        "LocalFileSystem",
    ];

    damage(&backend, |path| {
        std::fs::copy(path, path.with_extension("kept")).unwrap();
        let half = std::fs::metadata(path).unwrap().len() / 2;
        std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(half)
            .unwrap();
    });
    assert_graphql_tells(&app, &before, "INTERNAL", &never).await;
    assert_handlers_fail(&app, &before, &READS, &never).await;

    damage(&backend, |path| {
        std::fs::write(path, [0xff, b'\n'].repeat(50_000)).unwrap();
    });
    assert_graphql_tells(&app, &before, "INTERNAL", &never).await;
    assert_handlers_fail(
        &app,
        &before,
        &["whole", "stream", "wrapped", "piped"],
        &never,
    )
    .await;

    damage(&backend, |path| {
        std::fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink(path.with_extension("kept"), path).unwrap();
    });
    assert_clients_are_told(&app, &before, "INTERNAL", &never).await;
    assert_handlers_fail(&app, &before, &READS, &never).await;

    damage(&backend, |path| std::fs::remove_file(path).unwrap());
    assert_graphql_tells(&app, &before, "INTERNAL", &never).await;
    assert_handlers_fail(&app, &before, &READS, &never).await;
}
