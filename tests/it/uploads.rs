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

const OLD: &str = "old:0123456789abcdef0123456789abcdef";
const NEW: &str = "new:fedcba9876543210fedcba9876543210";

/// The path of a link to a new file.
async fn link_to_a_file(app: &TestApp) -> String {
    let file = app
        .run("ingest_file", json!({"ui_name": "a", "content": "x"}))
        .await;
    let file = file.result.unwrap().as_inline().unwrap().to_value()["artifact_id"].take();
    let query = "query($id: ID!) { artifact(id: $id) { materializations { downloadUrl } } }";
    let found = app.data(query, json!({"id": file})).await;
    let link = &found["artifact"]["materializations"][0]["downloadUrl"];
    link.as_str().unwrap().to_owned()
}

/// The status of a download, and the code of its error.
async fn get(app: &TestApp, path: &str) -> (u16, String) {
    let answer = app.http.get(app.url(path)).send().await.unwrap();
    let status = answer.status().as_u16();
    let error: Value = answer.json().await.unwrap_or_default();
    let code = error["error_code"].as_str().unwrap_or_default();
    (status, code.to_owned())
}

fn with_signature_of(link: &str, other: &str) -> String {
    let (own, _) = link.rsplit_once('=').unwrap();
    let (_, signature) = other.rsplit_once('=').unwrap();
    format!("{own}={signature}")
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
        let app = TestApp::of(server, solution);
        let announced = announce(&app, 4).await;
        let (url, file) = (announced["url"].as_str().unwrap(), link_to_a_file(&app).await);
        clock.advance(299 * 1_000_000);
        assert_eq!(get(&app, &file).await, (200, String::new()));
        clock.advance(1_000_000);
        assert_eq!(get(&app, &file).await, (403, "LINK_EXPIRED".to_owned()));
        // An upload's time is counted by the database's clock, which does not stand still.
        clock.advance(30_000_000);
        assert_eq!(put(&app, url, b"late".to_vec()).await, 403);
    }

    async fn a_link_is_good_for_what_it_was_signed_for_alone(backend: Backend) {
        let app = TestApp::start_with(&backend, &[&format!("content.signing_keys={OLD}")]).await;
        let file = link_to_a_file(&app).await;
        let announced = announce(&app, 4).await;
        let upload = announced["url"].as_str().unwrap();
        let other = announce(&app, 4).await;
        let other = other["upload"]["id"].as_str().unwrap();
        let invalid = (403, "LINK_INVALID".to_owned());
        let digest = file.split(['/', '?']).nth(3).unwrap();
        for changed in [
            file.replace("/default/", "/other/"),
            file.replace(digest, &"0".repeat(64)),
            file.replace("expires=", "expires=9"),
            file.replace("name=", "name=a"),
            file.replace("key=old", "key=new"),
            file.replace("&key=old", ""),
            file.replace("signature=", "signature=00"),
            // The proof for another method and object.
            with_signature_of(&file, upload),
        ] {
            assert_ne!(changed, file);
            assert_eq!(get(&app, &changed).await, invalid, "{changed}");
        }
        let id = announced["upload"]["id"].as_str().unwrap();
        for changed in [
            upload.replace("tenant=default", "tenant=other"),
            upload.replace(id, other),
            upload.replace("expires=", "expires=9"),
            upload.replace("key=old", "key=new"),
            with_signature_of(upload, &file),
        ] {
            assert_ne!(changed, upload);
            assert_eq!(put(&app, &changed, b"four".to_vec()).await, 403, "{changed}");
        }
        assert_eq!(get(&app, &file).await, (200, String::new()));
        assert_eq!(put(&app, upload, b"four".to_vec()).await, 201);
    }

    async fn links_of_an_older_key_go_on_until_it_leaves_the_ring(backend: Backend) {
        let with_keys = async |keys: String| {
            TestApp::start_with(&backend, &[&format!("content.signing_keys={keys}")]).await
        };
        let app = with_keys(OLD.to_owned()).await;
        let (file, announced) = (link_to_a_file(&app).await, announce(&app, 4).await);
        let upload = announced["url"].as_str().unwrap();
        app.server.stop().await;

        let app = with_keys(format!("{NEW}, {OLD}")).await;
        assert_eq!(get(&app, &file).await, (200, String::new()));
        let renewed = link_to_a_file(&app).await;
        assert!(renewed.contains("&key=new&"), "{renewed}");
        app.server.stop().await;

        let app = with_keys(NEW.to_owned()).await;
        assert_eq!(get(&app, &file).await, (403, "LINK_INVALID".to_owned()));
        assert_eq!(put(&app, upload, b"four".to_vec()).await, 403);
        assert_eq!(get(&app, &renewed).await, (200, String::new()));
    }
}
