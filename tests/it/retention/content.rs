//! Content to which nothing refers is put aside and, a while later, removed; what is needed after all comes back.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use takeoff::runtime::Unreferenced;

use crate::support::{Backend, TestApp, backends};

/// Executions of one type go as soon as it is looked for them; nothing is looked for by itself.
const ECHO_GOES: [&str; 3] = [
    "retention.unreferenced_content=7d",
    "retention.types=echo = completed:0s",
    "retention.period_seconds=86400",
];
const WRITE_STATE: &str = "mutation($input: SetSessionStateInput!) { setSessionState(input: $input) { \
     errors { code } } }";
const READ: &str = "query($session: ID!, $execution: ID!) { session(id: $session) { state } \
     execution(id: $execution) { result } }";

/// A value that is too large for a row.
fn large(letter: &str) -> String {
    letter.repeat(100_000)
}

fn store(backend: &Backend) -> PathBuf {
    backend.folder.path().join("content")
}

/// The digests of the files below a folder of the store.
fn files(backend: &Backend, below: &str) -> BTreeSet<String> {
    let names = paths(&store(backend).join(below)).into_iter();
    let names = names.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
    names.collect()
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(paths(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// All files have been there for longer than is waited for.
fn age(backend: &Backend) {
    #[expect(
        clippy::disallowed_methods,
        reason = "files have the time of the system"
    )]
    let long_ago = SystemTime::now() - Duration::from_hours(8 * 24);
    for path in paths(&store(backend)) {
        let file = std::fs::File::open(path).unwrap();
        file.set_modified(long_ago).unwrap();
    }
}

/// Content that is referred to in each of the ways that there are: by a state, by a result and by an artifact.
async fn in_use(app: &TestApp) -> (Value, Value) {
    let session = app.session().await;
    let input = json!({"sessionId": session, "state": {"large": large("s")}});
    let written = app.data(WRITE_STATE, json!({"input": input})).await;
    assert_eq!(written["setSessionState"]["errors"], json!([]));
    // What was written is in the log as well; of what it became only the state knows.
    let input = json!({"sessionId": session, "state": {"more": 1}, "mode": "MERGE"});
    let written = app.data(WRITE_STATE, json!({"input": input})).await;
    assert_eq!(written["setSessionState"]["errors"], json!([]));
    let big = app.run("big", json!({"bytes": 100_000})).await;
    let text = json!({"filename": "a.txt", "content": large("f")});
    app.run("ingest_file", text).await;
    let asked = json!({"session": session, "execution": big.id});
    let told = app.data(READ, asked.clone()).await;
    assert_eq!(told["session"]["state"]["more"], json!(1), "{told}");
    (asked, told)
}

backends! {
    async fn content_to_which_nothing_refers_is_put_aside_and_then_removed(backend: Backend) {
        let app = TestApp::start_with(&backend, &ECHO_GOES).await;
        let runtime = &app.services().runtime;
        let look = async || runtime.remove_unreferenced().await.unwrap();
        let (asked, told) = in_use(&app).await;
        let used = (files(&backend, "content"), files(&backend, "payloads"));
        assert!(!used.0.is_empty() && used.1.len() >= 3, "{used:?}");
        app.run("echo", json!({"message": large("e")})).await;
        let free: BTreeSet<_> = files(&backend, "payloads").difference(&used.1).cloned().collect();
        let count = u64::try_from(free.len()).unwrap();
        assert!(count > 0);
        assert_eq!(runtime.remove_old().await.unwrap().executions, 1);

        // It has not been there for long enough.
        assert_eq!(look().await, Unreferenced::default());
        age(&backend);
        assert_eq!(look().await, Unreferenced { withdrawn: count, ..Unreferenced::default() });
        assert_eq!(files(&backend, "unreferenced"), free);
        // Nor has it been aside for long enough.
        assert_eq!(look().await, Unreferenced::default());

        // Somebody refers to the same again.
        app.run("echo", json!({"message": large("e")})).await;
        age(&backend);
        assert_eq!(look().await, Unreferenced { brought_back: count, ..Unreferenced::default() });
        assert_eq!(files(&backend, "unreferenced"), BTreeSet::new());
        assert_eq!(runtime.remove_old().await.unwrap().executions, 1);
        age(&backend);
        assert_eq!(look().await.withdrawn, count);
        age(&backend);
        let done = look().await;
        assert_eq!((done.removed, done.withdrawn, done.brought_back), (count, 0, 0));
        assert!(done.removed_bytes > 0);

        assert_eq!(files(&backend, "unreferenced"), BTreeSet::new());
        assert_eq!((files(&backend, "content"), files(&backend, "payloads")), used);
        assert_eq!(app.data(READ, asked).await, told);
        app.assert_verified().await;
    }

    async fn what_was_put_aside_is_found_when_somebody_reads_it(backend: Backend) {
        let app = TestApp::start_with(&backend, &ECHO_GOES).await;
        let (asked, told) = in_use(&app).await;
        let used = files(&backend, "payloads");
        let store = store(&backend);
        std::fs::create_dir(store.join("unreferenced")).unwrap();
        std::fs::rename(store.join("payloads"), store.join("unreferenced/payloads")).unwrap();
        assert_eq!(app.data(READ, asked).await, told);
        let back = files(&backend, "payloads");
        assert!(back.is_subset(&used) && !back.is_empty(), "{back:?}");
        age(&backend);
        let done = app.services().runtime.remove_unreferenced().await.unwrap();
        assert_eq!(done.removed, 0);
        assert_eq!(files(&backend, "payloads"), used);
    }

    async fn nothing_goes_that_another_installation_may_have_stored(backend: Backend) {
        let app = TestApp::start_with(&backend, &ECHO_GOES).await;
        app.run("echo", json!({"message": large("e")})).await;
        let runtime = &app.services().runtime;
        runtime.remove_old().await.unwrap();
        let stored = files(&backend, "payloads");
        let own = files(&backend, "installations");
        assert_eq!(own.len(), 1);
        let other = store(&backend).join("installations/another");
        std::fs::write(&other, "").unwrap();
        age(&backend);
        assert_eq!(runtime.remove_unreferenced().await.unwrap(), Unreferenced::default());
        assert_eq!(files(&backend, "payloads"), stored);
        std::fs::remove_file(other).unwrap();
        let done = runtime.remove_unreferenced().await.unwrap();
        assert_eq!(done.withdrawn, u64::try_from(stored.len()).unwrap());
    }
}
