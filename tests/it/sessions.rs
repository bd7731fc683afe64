//! Ids of sessions are unique within their tenant: what one tenant does with an id tells another
//! nothing, and leaves that one's session of the same id alone.

use futures::future::join_all;
use serde_json::{Value, json};
use takeoff::{ids::IdSource, model::SessionId};

use crate::support::{Backend, Socket, TestApp, assert_nothing_leaks, backends};

const CREATE: &str = "mutation($i: CreateSessionInput!) { createSession(input: $i) {
    session { id tenantId state stateVersion } errors { code message path } } }";
const WRITE: &str = "mutation($i: SetSessionStateInput!) { setSessionState(input: $i) {
    session { state stateVersion } errors { code message } } }";
const CLOSE: &str = "mutation($i: CloseSessionInput!) { closeSession(input: $i) {
    session { status } errors { code message } } }";
const UPGRADE: &str = "mutation($i: UpgradeSessionInput!) { upgradeSession(input: $i) {
    session { status } errors { code message } } }";
const SUBMIT: &str = "mutation($i: SubmitIntentInput!) { submitIntent(input: $i) {
    execution { id } errors { code message path } } }";
const READ: &str = "query($id: ID!) { session(id: $id) { tenantId status userId state stateVersion
    executions { nodes { id } totalCount { count exact } } }
    node(id: $id) { id }
    executions(filter: {sessionId: $id}) { nodes { id } totalCount { count exact } }
    artifacts(filter: {sessionId: $id}) { nodes { id } totalCount { count exact } } }";
const LOG: &str = "query($f: WalFilter!) { walEntries(first: 100, filter: $f) {
    nodes { id streamKind streamId sequence type payload } totalCount { count exact } } }";
const FEED: &str = "subscription($id: ID!, $after: String) {
    sessionEvents(sessionId: $id, after: $after) { cursor events { executionId type } } }";

const TENANTS: [&str; 2] = ["one", "two"];

/// An id that a client chooses.
fn chosen(seed: u64) -> SessionId {
    IdSource::seeded(seed).session()
}

async fn answer(app: &TestApp, tenant: &str, query: &str, variables: Value) -> Value {
    let request = app.http.post(app.url("/graphql"));
    let request = request.header("x-takeoff-tenant", tenant);
    let body = json!({"query": query, "variables": variables});
    let answer = request.json(&body).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_nothing_leaks(&answer);
    answer
}

async fn data(app: &TestApp, tenant: &str, query: &str, variables: Value) -> Value {
    let mut answer = answer(app, tenant, query, variables).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].take()
}

/// Returns the value of a mutation, without errors.
async fn done(app: &TestApp, tenant: &str, query: &str, input: Value) -> Value {
    let made = data(app, tenant, query, json!({"i": input})).await;
    let outcome = made.as_object().unwrap().values().next().unwrap().clone();
    assert_eq!(outcome["errors"], json!([]), "{tenant}: {outcome}");
    outcome
}

/// The errors of a mutation that is refused.
async fn refused(app: &TestApp, tenant: &str, query: &str, input: Value) -> Value {
    let made = data(app, tenant, query, json!({"i": input})).await;
    let errors = made.as_object().unwrap().values().next().unwrap()["errors"].clone();
    assert_ne!(errors, json!([]), "{made}");
    errors
}

async fn create(app: &TestApp, tenant: &str, id: impl ToString) -> Value {
    let input = json!({"sessionId": id.to_string(), "state": {"of": tenant}});
    done(app, tenant, CREATE, input).await["session"].take()
}

async fn submit(app: &TestApp, tenant: &str, id: SessionId, intent: &str, with: Value) -> String {
    let input = json!({"intentType": intent, "sessionId": id, "parameters": with});
    let made = done(app, tenant, SUBMIT, input).await;
    made["execution"]["id"].as_str().unwrap().to_owned()
}

/// An execution of a tenant that has ended.
async fn run(app: &TestApp, tenant: &str, id: SessionId, intent: &str, with: Value) -> String {
    let execution = submit(app, tenant, id, intent, with).await;
    ends(app, tenant, &execution).await;
    execution
}

async fn ends(app: &TestApp, tenant: &str, execution: &str) {
    let scope = app.principal_of(tenant).scope();
    let waiting = app
        .services()
        .events
        .wait_until_terminal(&scope, execution.parse().unwrap());
    let ended = tokio::time::timeout(crate::support::PATIENCE, waiting);
    ended.await.unwrap().unwrap();
}

fn ids(page: &Value) -> Vec<&str> {
    let nodes = page["nodes"].as_array().unwrap();
    nodes.iter().map(|it| it["id"].as_str().unwrap()).collect()
}

/// The session, when exactly these executions are in it, newest first, and so many artifacts.
async fn read(app: &TestApp, tenant: &str, id: SessionId, runs: &[String], made: usize) -> Value {
    let mut found = data(app, tenant, READ, json!({"id": id})).await;
    let count = json!({"count": runs.len(), "exact": true});
    for page in [&found["session"]["executions"], &found["executions"]] {
        assert_eq!(ids(page), runs, "{tenant}: {found}");
        assert_eq!(page["totalCount"], count, "{tenant}: {found}");
    }
    assert_eq!(ids(&found["artifacts"]).len(), made, "{tenant}: {found}");
    assert_eq!(found["artifacts"]["totalCount"]["count"], made, "{tenant}");
    assert_eq!(found["node"]["id"], json!(id));
    assert_eq!(found["session"]["tenantId"], tenant);
    found["session"].take()
}

/// The types of the entries of the session's own stream, when they are dense.
async fn stream(app: &TestApp, tenant: &str, id: SessionId) -> Vec<String> {
    let filter = json!({"f": {"streamId": id}});
    let found = app
        .until(|| async {
            // On PostgreSQL an entry may be hidden for a moment.
            let found = data(app, tenant, LOG, filter.clone()).await["walEntries"].take();
            let entries = found["nodes"].as_array().unwrap().len();
            (found["totalCount"] == json!({"count": entries, "exact": true})).then_some(found)
        })
        .await;
    let entries = found["nodes"].as_array().unwrap();
    for (place, entry) in (1..).zip(entries) {
        assert_eq!(entry["sequence"], place.to_string(), "{tenant}: {found}");
        assert_eq!(
            (&entry["streamKind"], &entry["streamId"]),
            (&json!("SESSION"), &json!(id))
        );
    }
    let types = entries.iter().map(|entry| entry["type"].as_str().unwrap());
    types.map(str::to_owned).collect()
}

async fn feed(app: &TestApp, tenant: &str, id: SessionId, after: Option<&Value>) -> Socket {
    let init = json!({"x-takeoff-tenant": tenant});
    let mut socket = Socket::open(app.server.address(), &init).await.unwrap();
    let variables = json!({"id": id, "after": after});
    socket.subscribe("s", FEED, &variables).await.unwrap();
    socket
}

/// Reads a feed until so many executions have ended, and returns the executions of its events, and
/// the last cursor.
async fn brings(socket: &mut Socket, ended: usize) -> (Vec<String>, Value) {
    let (mut seen, mut ends, mut cursor) = (Vec::new(), 0, Value::Null);
    while ends < ended {
        let message = socket.message("s").await;
        let batch = &message["payload"]["data"]["sessionEvents"];
        cursor = batch["cursor"].clone();
        let events = batch["events"].as_array();
        for event in events.unwrap_or_else(|| panic!("{message}")) {
            ends += usize::from(event["type"] == "execution.completed");
            seen.push(event["executionId"].as_str().unwrap().to_owned());
        }
    }
    seen.dedup();
    (seen, cursor)
}

backends! {
    async fn an_id_that_another_tenant_has_is_free(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let id = chosen(1);
        for tenant in TENANTS {
            let made = create(&app, tenant, id).await;
            assert_eq!((&made["id"], &made["tenantId"]), (&json!(id), &json!(tenant)));
        }
        for tenant in TENANTS {
            let errors = refused(&app, tenant, CREATE, json!({"sessionId": id})).await;
            assert_eq!(errors, json!([{"code": "INVALID_INPUT", "path": ["input", "sessionId"],
                "message": "a session with this id exists"}]));
        }
        // One that the server made for somebody is no other one's either.
        let made = done(&app, "one", CREATE, json!({})).await["session"]["id"].take();
        create(&app, "two", made.as_str().unwrap()).await;
        for id in [id, made.as_str().unwrap().parse().unwrap()] {
            for tenant in TENANTS {
                assert_eq!(stream(&app, tenant, id).await, ["session.created"]);
            }
        }
        app.assert_verified().await;
    }

    async fn an_id_may_be_that_of_what_is_no_session(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let theirs = chosen(2);
        create(&app, "one", theirs).await;
        let execution = run(&app, "one", theirs, "make", json!({"name": "a"})).await;
        let found = data(&app, "one", "{ artifacts { nodes { id } } }", json!({})).await;
        let artifact = ids(&found["artifacts"])[0].to_owned();
        // Of each tenant itself, too.
        for tenant in TENANTS {
            for other in [&execution, &artifact] {
                let (_, uuid) = other.split_once('_').unwrap();
                let id: SessionId = format!("ses_{uuid}").parse().unwrap();
                create(&app, tenant, id).await;
                assert_eq!(stream(&app, tenant, id).await, ["session.created"]);
            }
        }
        app.assert_verified().await;
    }

    async fn tenants_that_take_one_id_at_once_all_get_it(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for seed in 10..15 {
            let id = chosen(seed);
            let tenants: Vec<String> = (0..8).map(|n| format!("tenant-{n}")).collect();
            let all = tenants.iter().map(|tenant| create(&app, tenant, id));
            for (made, tenant) in join_all(all).await.iter().zip(&tenants) {
                assert_eq!(made["state"], json!({"of": tenant}), "{made}");
            }
        }
        app.assert_verified().await;
    }

    async fn sessions_of_one_id_have_states_executions_and_logs_of_their_own(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let id = chosen(3);
        for tenant in TENANTS {
            create(&app, tenant, id).await;
        }
        // Each tenant's write is decided by its own version.
        for version in 1..=3 {
            let write = json!({"sessionId": id, "state": {"n": version}, "ifVersion": version.to_string()});
            let written = done(&app, "two", WRITE, write.clone()).await;
            assert_eq!(written["session"]["stateVersion"], (version + 1).to_string());
            let again = refused(&app, "two", WRITE, write).await;
            assert_eq!(again[0]["code"], "STALE_VERSION");
        }
        let write = json!({"sessionId": id, "state": {"mine": true}, "ifVersion": "1", "mode": "MERGE"});
        let written = done(&app, "one", WRITE, write).await;
        assert_eq!(written["session"], json!({"state": {"of": "one", "mine": true}, "stateVersion": "2"}));

        let first = run(&app, "one", id, "make", json!({"name": "a"})).await;
        let theirs = run(&app, "two", id, "add", json!({"a": 1, "b": 1})).await;
        let second = run(&app, "one", id, "make", json!({"name": "b"})).await;
        let one = read(&app, "one", id, &[second, first.clone()], 2).await;
        assert_eq!((&one["state"], &one["stateVersion"]), (&json!({"of": "one", "mine": true}), &json!("2")));
        let two = read(&app, "two", id, std::slice::from_ref(&theirs), 0).await;
        assert_eq!((&two["state"], &two["stateVersion"]), (&json!({"n": 3}), &json!("4")));

        let changed = "session.state_changed";
        assert_eq!(stream(&app, "one", id).await, ["session.created", changed]);
        assert_eq!(stream(&app, "two", id).await, ["session.created", changed, changed, changed]);
        // By its UUID alone it is found, too.
        for tenant in TENANTS {
            let [by_id, by_uuid] = [id.to_string(), id.0.to_string()].map(|id| json!({"f": {"streamId": id}}));
            assert_eq!(data(&app, tenant, LOG, by_uuid).await, data(&app, tenant, LOG, by_id).await);
        }
        for (tenant, own, other) in [("one", &first, &theirs), ("two", &theirs, &first)] {
            let log = data(&app, tenant, LOG, json!({"f": {"sessionId": id}})).await.to_string();
            assert!(log.contains(own) && !log.contains(other), "{tenant}: {log}");
        }
        app.assert_verified().await;
    }

    async fn a_feed_shows_nothing_of_another_tenants_session(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let id = chosen(4);
        for tenant in TENANTS {
            create(&app, tenant, id).await;
        }
        let add = json!({"a": 1, "b": 1});
        let past = run(&app, "one", id, "add", add.clone()).await;
        let mut one = feed(&app, "one", id, None).await;
        let mut two = feed(&app, "two", id, None).await;
        let theirs = run(&app, "two", id, "add", add.clone()).await;
        let live = run(&app, "one", id, "add", add.clone()).await;
        let (seen, place) = brings(&mut one, 2).await;
        assert_eq!(seen, [past, live]);
        assert_eq!(brings(&mut two, 1).await.0, [theirs]);
        // A cursor goes on in the session it is of, and is no place in another tenant's.
        let later = run(&app, "one", id, "add", add).await;
        assert_eq!(brings(&mut feed(&app, "one", id, Some(&place)).await, 1).await.0, [later]);
        let answer = feed(&app, "two", id, Some(&place)).await.message("s").await.to_string();
        assert!(answer.contains("CURSOR_EXPIRED"), "{answer}");
    }

    async fn an_id_of_another_tenants_session_is_as_one_that_nobody_has(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (id, nobodys) = (chosen(5), chosen(6));
        create(&app, "one", id).await;
        let changes = |id: SessionId| [
            (SUBMIT, json!({"intentType": "add", "sessionId": id, "parameters": {"a": 1, "b": 1}})),
            (WRITE, json!({"sessionId": id, "state": {}})),
            (WRITE, json!({"sessionId": id, "state": {}, "ifVersion": "1"})),
            (UPGRADE, json!({"sessionId": id, "userId": "ann"})),
            (CLOSE, json!({"sessionId": id})),
        ];
        for ((query, theirs), (_, absent)) in changes(id).into_iter().zip(changes(nobodys)) {
            let errors = refused(&app, "two", query, theirs).await;
            assert_eq!(errors[0]["code"], "NOT_FOUND", "{query}: {errors}");
            assert_eq!(errors, refused(&app, "two", query, absent).await, "{query}");
        }
        for query in [READ, "query($id: ID!) { walEntries(filter: {streamId: $id}) { nodes { id } totalCount { count } } }"] {
            let theirs = answer(&app, "two", query, json!({"id": id})).await;
            assert_eq!(theirs, answer(&app, "two", query, json!({"id": nobodys})).await);
        }
        let [theirs, absent] = [id, nobodys].map(|id| feed(&app, "two", id, None));
        let [mut theirs, mut absent] = [theirs.await.message("s").await, absent.await.message("s").await];
        for answer in [&mut theirs, &mut absent] {
            answer["payload"]["errors"][0]["extensions"]["requestId"].take();
        }
        assert_eq!((theirs["payload"]["errors"][0]["message"].as_str(), &theirs), (Some("session not found"), &absent));
        let session = read(&app, "one", id, &[], 0).await;
        assert_eq!((&session["status"], &session["stateVersion"]), (&json!("ACTIVE"), &json!("1")));
    }

    async fn a_session_that_ends_leaves_another_tenants_alone(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.sweep_seconds=1"]).await;
        let (closed, overdue, upgraded) = (chosen(7), chosen(8), chosen(9));
        for tenant in TENANTS {
            for id in [closed, overdue, upgraded] {
                create(&app, tenant, id).await;
            }
        }
        done(&app, "one", CLOSE, json!({"sessionId": closed})).await;
        done(&app, "one", UPGRADE, json!({"sessionId": upgraded, "userId": "ann"})).await;
        let (_, uuid) = (overdue, overdue.0.simple());
        let is_it = if backend.is_postgres() { format!("id = '{uuid}'") } else { format!("id = x'{uuid}'") };
        let past = format!("UPDATE session SET expires_at = 1 WHERE tenant_id = 'one' AND {is_it}");
        backend.execute(&past).await;
        app.until(|| async {
            (stream(&app, "one", overdue).await == ["session.created", "session.closed"]).then_some(())
        }).await;
        for (id, status) in [(closed, "CLOSED"), (overdue, "EXPIRED"), (upgraded, "UPGRADED")] {
            assert_eq!(read(&app, "one", id, &[], 0).await["status"], status);
            let theirs = run(&app, "two", id, "add", json!({"a": 1, "b": 1})).await;
            done(&app, "two", WRITE, json!({"sessionId": id, "state": {}})).await;
            let session = read(&app, "two", id, &[theirs], 0).await;
            assert_eq!((&session["status"], &session["userId"]), (&json!("ACTIVE"), &Value::Null));
            assert_eq!(stream(&app, "two", id).await, ["session.created", "session.state_changed"]);
        }
        app.assert_verified().await;
    }
}

/// Tenants take turns on two nodes: each sees its own session on both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_of_one_id_are_apart_on_every_node() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let nodes = [
        TestApp::start(&backend).await,
        TestApp::start(&backend).await,
    ];
    for seed in 20..25 {
        let id = chosen(seed);
        let made = TENANTS.iter().zip(&nodes);
        join_all(made.map(|(tenant, node)| create(node, tenant, id))).await;
        let mut feeds = Vec::new();
        for (tenant, node) in TENANTS.iter().zip(nodes.iter().rev()) {
            feeds.push(feed(node, tenant, id, None).await);
        }
        let add = json!({"a": 1, "b": 1});
        let runs = TENANTS.iter().zip(&nodes);
        let runs = runs.map(|(tenant, node)| run(node, tenant, id, "add", add.clone()));
        let runs = join_all(runs).await;
        for (feed, own) in feeds.iter_mut().zip(&runs) {
            assert_eq!(brings(feed, 1).await.0, std::slice::from_ref(own));
        }
        for version in 1..4 {
            for (tenant, node) in TENANTS.iter().zip(&nodes) {
                let state = json!({"of": tenant, "n": version});
                let write =
                    json!({"sessionId": id, "state": state, "ifVersion": version.to_string()});
                done(node, tenant, WRITE, write).await;
                for node in &nodes {
                    let own = &runs[usize::from(*tenant == "two")];
                    let session = read(node, tenant, id, std::slice::from_ref(own), 0).await;
                    assert_eq!(session["state"], state, "{tenant}");
                }
            }
        }
    }
    nodes[0].assert_verified().await;
}
