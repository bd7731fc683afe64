//! Executions as a file: every page of it, where it goes on, and its end with its reader.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use takeoff::model::{ExecutionId, SessionId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpSocket,
};

use crate::support::{Backend, TestApp, backends};

/// More than two pages.
const COUNT: usize = 410;

async fn file(app: &TestApp, query: &str) -> (reqwest::header::HeaderMap, String) {
    let url = app.url(&format!("/api/execution/export?{query}"));
    let answer = app.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    (answer.headers().clone(), answer.text().await.unwrap())
}

fn rows_of(ndjson: &str) -> Vec<Value> {
    let lines = ndjson.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn ids(rows: &[Value]) -> Vec<&str> {
    let all = rows.iter().map(|row| row["execution_id"].as_str());
    all.map(Option::unwrap).collect()
}

async fn ended(app: &TestApp, session: SessionId, count: usize) -> Vec<ExecutionId> {
    let submits = (0..count).map(|n| app.submit(session, "add", json!({"a": n, "b": 1})));
    let submits = futures::future::join_all(submits).await;
    let all: Vec<_> = submits.into_iter().map(|it| it.id).collect();
    futures::future::join_all(all.iter().map(|id| app.ended(*id))).await;
    all
}

/// Makes so many executions of one, without running them.
async fn multiply(backend: &Backend, id: ExecutionId, count: usize) {
    let (columns, new_id, numbers) = if backend.is_postgres() {
        let columns = "SELECT column_name FROM information_schema.columns WHERE table_name = 'execution' \
            AND table_schema = current_schema() AND is_generated = 'NEVER' AND column_name <> 'id'";
        let numbers = format!("generate_series(1, {count})");
        (backend.texts(columns).await, "gen_random_uuid()", numbers)
    } else {
        let columns = "SELECT name FROM pragma_table_info('execution') WHERE name <> 'id'";
        let numbers = format!(
            "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)"
        );
        (backend.texts(columns).await, "randomblob(16)", numbers)
    };
    let columns = columns.join(", ");
    let id = if backend.is_postgres() {
        format!("'{}'", id.0)
    } else {
        format!("x'{}'", id.0.simple())
    };
    let insert = format!(
        "INSERT INTO execution (id, {columns}) SELECT {new_id}, {columns} FROM execution, {numbers} AS m WHERE id = {id}"
    );
    backend.execute(&insert).await;
}

backends! {
    async fn a_file_has_each_execution_of_all_pages_once(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let all = ended(&app, session, COUNT).await;
        let failed = app.run("flaky", json!({"failures": 9, "fatal": true})).await.id;
        let (headers, text) = file(&app, "intent_type=add").await;
        assert_eq!(headers["content-type"], "application/x-ndjson");
        assert_eq!(headers["content-disposition"], "attachment; filename=\"executions.ndjson\"");
        let rows = rows_of(&text);
        let told: BTreeSet<&str> = ids(&rows).into_iter().collect();
        let expected: BTreeSet<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!((rows.len(), told), (COUNT, expected.iter().map(String::as_str).collect()));
        // In the order of the list, and each row as the list has it.
        let body = json!({"intent_type": "add", "limit": 200});
        let list = app.http.post(app.url("/api/execution/list")).json(&body).send().await.unwrap();
        let list: Value = list.json().await.unwrap();
        assert_eq!(list["executions"].as_array().unwrap(), &rows[..200]);
        let (_, text) = file(&app, "status=failed").await;
        assert_eq!(ids(&rows_of(&text)), [failed.to_string()]);
        let (_, text) = file(&app, "intent_type=none").await;
        assert_eq!(text, "");
    }

    async fn a_file_goes_on_behind_the_last_row_of_another(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        ended(&app, session, COUNT).await;
        let whole = file(&app, "format=csv&order=oldest_first").await;
        assert_eq!(whole.0["content-type"], "text/csv; charset=utf-8; header=present");
        let whole: Vec<&str> = whole.1.lines().collect();
        assert_eq!(whole.len(), COUNT + 1);
        assert!(whole[0].starts_with("execution_id,intent_id,intent_type,"), "{}", whole[0]);
        let (_, first) = file(&app, "format=csv&order=oldest_first&limit=250").await;
        let last = first.lines().last().unwrap().split(',').next().unwrap();
        let (_, second) = file(&app, &format!("format=csv&order=oldest_first&after={last}")).await;
        let both: Vec<&str> = first.lines().chain(second.lines().skip(1)).collect();
        assert_eq!((first.lines().count(), both), (251, whole));
    }

    async fn faulty_questions_are_refused_before_a_file_begins(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for query in ["format=xlsx", "limit=0", "limit=1000001", "limit=many", "status=done", "after=x",
            "created_after=now", "metadata=[]", "session_id=x", "unknown=1"] {
            let url = app.url(&format!("/api/execution/export?{query}"));
            let answer = app.http.get(url).send().await.unwrap();
            assert_eq!(answer.status(), 400, "{query}");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["error_code"], "BAD_USER_INPUT", "{query}: {body}");
        }
    }

    async fn a_file_ends_with_its_reader(backend: Backend) {
        let settings = ["quotas.subscriptions=1"];
        let app = TestApp::start_with(&backend, &settings).await;
        let one = app.run("flaky", json!({"failures": 9, "fatal": true})).await.id;
        multiply(&backend, one, 20_000).await;
        // Whoever reads nothing has a few pages in buffers, and the rest is not read for them.
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut reader = socket.connect(app.server.address()).await.unwrap();
        let ask = format!("GET /api/execution/export HTTP/1.1\r\nhost: {}\r\n\r\n", app.server.address());
        reader.write_all(ask.as_bytes()).await.unwrap();
        let mut start = [0; 12];
        reader.read_exact(&mut start).await.unwrap();
        assert_eq!(&start, b"HTTP/1.1 200");
        // It has the one place that there is.
        let is_free = async || {
            let url = app.url("/api/execution/export?limit=1");
            let answer = app.http.get(url).send().await.unwrap();
            answer.status() == 200 && answer.text().await.is_ok()
        };
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(!is_free().await, "it has ended by itself");
        drop(reader);
        app.until(|| async { is_free().await.then_some(()) }).await;
    }
}
