//! Content that is small to send and large to keep.

use serde_json::{Value, json};
use takeoff::{
    content::Digest,
    model::{Execution, ExecutionStatus},
};

use crate::support::{Backend, TestApp, backends};

fn steps(done: &Execution) -> Value {
    assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
    done.result
        .as_ref()
        .unwrap()
        .as_inline()
        .unwrap()
        .to_value()["steps"]
        .take()
}

/// The bytes of an object in the content store's folder.
fn stored_bytes(backend: &Backend, digest: &str) -> u64 {
    let path = backend
        .folder
        .path()
        .join("content/content/default")
        .join(digest);
    std::fs::metadata(path).unwrap().len()
}

/// Rows of `cells` ones below a header of long names.
fn wide(cells: usize, rows: usize, name_bytes: usize) -> String {
    let header: Vec<String> = (0..cells).map(|n| format!("{n:0>name_bytes$}")).collect();
    let row = vec!["1"; cells].join(",");
    format!("{}\n{}", header.join(","), format!("{row}\n").repeat(rows))
}

backends! {
    async fn rows_of_more_than_twenty_times_their_source_are_refused(backend: Backend) {
        let app = TestApp::start(&backend).await;
        // 420 KB whose rows would have 109 MB.
        let content = wide(200, 600, 900);
        let parameters = json!({
            "journey_id": "content_pipeline", "filename": "wide.csv", "content": content,
        });
        let failed = app.run("compose_journey", parameters).await;
        let error = failed.error.expect("it did not fail");
        assert_eq!(error.code, "CHILD_FAILED");
        assert!(error.message.contains("TOO_LARGE") && error.message.contains("bytes of rows"),
            "{}", error.message);
        app.assert_verified().await;
    }

    async fn rows_are_kept_compressed_and_read_as_they_were_written(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let content = wide(100, 1_000, 20);
        let parameters = json!({
            "journey_id": "content_pipeline", "filename": "wide.csv", "content": content,
        });
        let steps = steps(&app.run("compose_journey", parameters).await);
        assert_eq!(steps["profile"]["result"]["record_count"], 1_000);
        let parsed = steps["parse"]["result"]["artifact_id"].clone();
        let query = "query($id: ID!) { artifact(id: $id) {
            materializations { sizeBytes digest downloadUrl format } } }";
        let mut form = app.data(query, json!({"id": parsed})).await["artifact"]["materializations"][0].take();
        let link = app.url(form["downloadUrl"].as_str().unwrap());
        let text = app.http.get(link).send().await.unwrap().text().await.unwrap();
        assert_eq!(text.lines().count(), 1_000);
        let row: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(row.as_object().unwrap().len(), 100);
        let digest = form["digest"].take();
        let digest = digest.as_str().unwrap();
        assert_eq!(Digest::of(text.as_bytes()).to_string(), digest);
        assert_eq!(form["sizeBytes"], text.len().to_string());
        let at_rest = stored_bytes(&backend, digest);
        assert!(at_rest * 20 < text.len() as u64, "{at_rest} of {}", text.len());
        assert!(at_rest < content.len() as u64);
    }

    async fn announced_uploads_count_until_they_arrive(backend: Backend) {
        let app = TestApp::start_with(&backend, &["content.max_announced_bytes=1000000"]).await;
        let announce = async |size: usize| {
            let query = "mutation($input: CreateUploadInput!) { createUpload(input: $input) {
                url errors { code message } } }";
            let input = json!({"input": {"filename": "a.csv", "sizeBytes": size.to_string()}});
            app.data(query, input).await["createUpload"].take()
        };
        let first = announce(600_000).await;
        let url = app.url(first["url"].as_str().unwrap());
        let refused = announce(600_000).await;
        assert_eq!(refused["errors"][0]["code"], "TOO_LARGE", "{refused}");
        assert_eq!(refused["url"], Value::Null);
        let sent = app.http.put(url).body(vec![b'x'; 600_000]).send().await.unwrap();
        assert_eq!(sent.status().as_u16(), 201);
        assert_eq!(announce(600_000).await["errors"], json!([]), "it has arrived");
        // Small ones count, too: 64 KiB each.
        for _ in 0..6 {
            assert_eq!(announce(1).await["errors"], json!([]));
        }
        assert_eq!(announce(1).await["errors"][0]["code"], "TOO_LARGE");
    }
}
