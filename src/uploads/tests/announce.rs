//! Announcements of uploads.

use super::*;
use crate::{model::Refusal, storage::Error};

async fn paths(world: &World, name: &str, mime_type: Option<&str>, size: i64) -> Vec<String> {
    let (name, mime_type) = (name.to_owned(), mime_type.map(str::to_owned));
    let created = world.uploads.create(&anyone(), name, mime_type, size).await;
    match created {
        Ok(_) => Vec::new(),
        Err(Error::Refused(Refusal::InvalidInput(faults))) => {
            faults.into_iter().map(|it| it.path.join(".")).collect()
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_name_names_a_file_and_no_place() {
    let world = World::new().await;
    for good in ["a", "ü b.csv", "...", &"ü".repeat(255)] {
        assert!(paths(&world, good, None, 1).await.is_empty(), "{good}");
    }
    for bad in [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a\0",
        "a\nb",
        &"x".repeat(256),
    ] {
        assert_eq!(paths(&world, bad, None, 1).await, ["filename"], "{bad:?}");
    }
    for bad in ["", "csv", "/csv", "text/", "text/csv\r\nx: y", "tëxt/csv"] {
        assert_eq!(
            paths(&world, "a", Some(bad), 1).await,
            ["mimeType"],
            "{bad:?}"
        );
    }
    let both = paths(&world, "", Some(""), 1).await;
    assert_eq!(both, ["filename", "mimeType"]);
}

#[tokio::test]
async fn a_size_is_positive_and_within_the_limit() {
    let world = World::new().await;
    for bad in [0, -1, i64::MIN] {
        assert_eq!(paths(&world, "a", None, bad).await, ["sizeBytes"]);
    }
    let largest = i64::try_from(MAX_BYTES).unwrap();
    assert!(paths(&world, "a", None, largest).await.is_empty());
    let refused = world
        .uploads
        .create(&anyone(), "a".to_owned(), None, largest + 1)
        .await;
    let Err(Error::Refused(refusal)) = refused else {
        panic!("{refused:?}")
    };
    let expected = Refusal::TooLarge {
        what: "upload",
        actual_bytes: MAX_BYTES + 1,
        limit_bytes: MAX_BYTES,
    };
    assert_eq!(refusal, expected);
}

#[tokio::test]
async fn a_server_that_does_not_know_its_address_gives_paths() {
    let world = World::new().await;
    let inner = &world.uploads.0;
    let settings = UploadSettings {
        public_url: None,
        ..inner.settings.clone()
    };
    let uploads = Uploads::new(
        inner.storage.clone(),
        inner.content.clone(),
        inner.signer.clone(),
        inner.clock.clone(),
        inner.ids.clone(),
        Arc::clone(&inner.budget),
        settings,
    );
    let created = uploads
        .create(&anyone(), "a".to_owned(), None, 1)
        .await
        .unwrap();
    assert!(created.url.starts_with("/uploads/upl_"), "{}", created.url);
}
