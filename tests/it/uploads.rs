//! Large content: announced, put, verified, used, and fetched again by signed links.

use serde_json::{Value, json};
use takeoff::app::App;
use takeoff::clock::Clock;
use takeoff::services::Error;

use crate::support::{TestApp, backends};

async fn announce(app: &TestApp, size: usize) -> Value {
    let query = "mutation($input: CreateUploadInput!) { createUpload(input: $input) {
        url upload { id sizeBytes } errors { code path } } }";
    let input = json!({"input": {"filename": "big.csv", "sizeBytes": size.to_string()}});
    app.data(query, input).await["createUpload"].take()
}

async fn put(app: &TestApp, url: &str, bytes: Vec<u8>) -> u16 {
    let url = if url.starts_with('/') {
        app.url(url)
    } else {
        url.to_owned()
    };
    app.http
        .put(url)
        .body(bytes)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

fn csv(lines: usize) -> Vec<u8> {
    let rows: Vec<String> = (0..lines).map(|n| format!("{n},name {n}")).collect();
    format!("id,name\n{}\n", rows.join("\n")).into_bytes()
}

backends! {
    async fn an_upload_becomes_a_file_that_can_be_fetched(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let bytes = csv(100_000);
        let announced = announce(&app, bytes.len()).await;
        let url = announced["url"].as_str().unwrap();
        let id = announced["upload"]["id"].clone();
        let early = app.run("ingest_file", json!({"ui_name": "a", "content": "x"})).await;
        assert!(early.error.is_none());
        assert_eq!(put(&app, url, bytes.clone()).await, 201);
        assert_eq!(put(&app, url, bytes.clone()).await, 200, "the same again is fine");
        let mut other = bytes.clone();
        other[0] = b'X';
        assert_eq!(put(&app, url, other).await, 409);
        let journey = json!({"journey_id": "content_pipeline", "filename": "big.csv", "upload_id": id});
        let done = app.run("compose_journey", journey).await;
        let steps = done.result.unwrap().as_inline().unwrap().to_value()["steps"].take();
        assert_eq!(steps["parse"]["result"]["record_count"], 100_000);
        let query = "query($id: ID!) { artifact(id: $id) { materializations {
            sizeBytes digest downloadUrl storageType } } }";
        let file = steps["ingest"]["result"]["artifact_id"].clone();
        let found = app.data(query, json!({"id": file})).await["artifact"]["materializations"][0].take();
        assert_eq!(found["sizeBytes"], bytes.len().to_string());
        let link = found["downloadUrl"].as_str().unwrap();
        let link = if link.starts_with('/') { app.url(link) } else { link.to_owned() };
        let fetched = app.http.get(&link).send().await.unwrap().bytes().await.unwrap();
        assert!(fetched == bytes);
        let forged = link.replace("expires=", "expires=9");
        assert_eq!(app.http.get(forged).send().await.unwrap().status().as_u16(), 403);
        app.assert_verified().await;
    }

    async fn what_is_not_as_announced_is_refused(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let large = announce(&app, 200 << 20).await;
        assert_eq!(large["errors"][0]["code"], "TOO_LARGE");
        let announced = announce(&app, 1000).await;
        let url = announced["url"].as_str().unwrap();
        assert_eq!(put(&app, url, vec![b'x'; 1001]).await, 413);
        assert_eq!(put(&app, url, vec![b'x'; 999]).await, 422);
        assert_eq!(put(&app, &url.replace("signature=", "signature=00"), vec![b'x'; 1000]).await, 403);
        let unfinished = json!({"ui_name": "a", "upload_id": announced["upload"]["id"]});
        let session = app.session().await;
        let intent = takeoff::runtime::SubmitIntent::new(
            "ingest_file", session, takeoff::model::RawJson::from(&unfinished));
        let Err(Error::Refused(refusal)) = app.try_submit(intent).await else {
            panic!("its bytes have not arrived");
        };
        assert!(refusal.to_string().contains("not arrived"), "{refusal}");
        let wrong = app.http.put(app.url(url)).header("x-content-sha256", "0".repeat(64))
            .body(vec![b'x'; 1000]).send().await.unwrap();
        assert_eq!(wrong.status().as_u16(), 422);
        assert_eq!(put(&app, url, vec![b'x'; 1000]).await, 201);
    }

    async fn a_link_expires(backend: Backend) {
        let clock = Clock::System;
        let clock = Clock::manual(clock.now());
        let config = crate::support::config(&backend, &[]);
        let solution = crate::support::TrySolution::default();
        let app = App::new(config).solution(solution.clone()).clock(clock.clone());
        let server = app.listen().await.unwrap();
        let app = TestApp { server, solution, http: reqwest::Client::new() };
        let announced = announce(&app, 4).await;
        clock.advance(901 * 1_000_000);
        assert_eq!(put(&app, announced["url"].as_str().unwrap(), b"late".to_vec()).await, 403);
    }
}
