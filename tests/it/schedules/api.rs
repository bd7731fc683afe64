//! Schedules by the API: made, listed, paused, resumed, triggered, filled up, deleted; and what bad input gets.

use serde_json::{Value, json};
use takeoff::clock::Clock;

use super::{MINUTE, NOON, create, created, node, node_with, once, read, times_of};
use crate::support::{TestApp, backends};

/// Runs a mutation with an input; its payload.
async fn change(app: &TestApp, name: &str, input: Value, fields: &str) -> Value {
    let (first, rest) = name.split_at(1);
    let query = format!(
        "mutation Change($input: {}{rest}Input!) {{ {name}(input: $input) {{ {fields} errors {{ code message path }} }} }}",
        first.to_uppercase()
    );
    let mut data = app.data(&query, json!({"input": input})).await;
    data[name].take()
}

const STATUS: &str = "schedule { id status }";

/// The log of schedules: type, actor and data.
async fn told(app: &TestApp) -> Vec<(String, Value, Value)> {
    let query =
        "{ walEntries(first: 200) { nodes { type streamKind streamId actor data payload } } }";
    let data = app.data(query, json!({})).await;
    let entries = data["walEntries"]["nodes"].as_array().unwrap();
    let of_schedules = entries.iter().filter(|it| it["streamKind"] == "SCHEDULE");
    of_schedules
        .map(|it| {
            let name = it["type"].as_str().unwrap().to_owned();
            (name, it["actor"].clone(), it["data"].clone())
        })
        .collect()
}

backends! {
    async fn a_paused_schedule_submits_nothing_and_goes_on_from_when_it_is_resumed(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let session = app.session().await;
        let id = created(&app, session, json!({"cron": "*/5 * * * *", "name": "five"})).await;
        let mark = created(&app, session, json!({"cron": "*/5 * * * *"})).await;
        let paused = change(&app, "pauseSchedule", json!({"id": id, "reason": "holidays"}), STATUS).await;
        assert_eq!(paused, json!({"schedule": {"id": id, "status": "PAUSED"}, "errors": []}));
        let again = change(&app, "pauseSchedule", json!({"id": id}), STATUS).await;
        assert_eq!(again["schedule"]["status"], "PAUSED");
        clock.advance(5 * MINUTE);
        once(&app, &mark, |it| it["lastFiredAt"].is_string()).await;
        clock.advance(5 * MINUTE);
        once(&app, &mark, |it| it["lastFiredAt"] == "2026-01-05T12:10:00.000000Z").await;
        assert_eq!(times_of(&read(&app, &id).await), [""; 0]);
        let resumed = change(&app, "resumeSchedule", json!({"id": id}), STATUS).await;
        assert_eq!(resumed["schedule"]["status"], "ACTIVE");
        clock.advance(5 * MINUTE);
        let fired = once(&app, &id, |it| it["lastFiredAt"].is_string()).await;
        assert_eq!(times_of(&fired), ["2026-01-05T12:15:00Z"], "what passed meanwhile is left out");
        let deleted = change(&app, "deleteSchedule", json!({"id": id, "reason": "over"}), STATUS).await;
        assert_eq!(deleted["errors"], json!([]));
        assert_eq!(read(&app, &id).await, Value::Null);
        let gone = change(&app, "resumeSchedule", json!({"id": id}), STATUS).await;
        assert_eq!(gone["errors"][0]["code"], "NOT_FOUND");
        let told = told(&app).await;
        let told: Vec<_> = told.iter().map(|(name, actor, _)| (name.as_str(), actor.as_str())).collect();
        let by = Some("development");
        assert_eq!(told, [
            ("schedule.created", by), ("schedule.created", by), ("schedule.paused", by),
            ("schedule.resumed", by), ("schedule.deleted", by),
        ]);
        app.assert_verified().await;
    }

    async fn a_schedule_can_be_made_to_submit_at_once(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let session = app.session().await;
        let id = created(&app, session, json!({"cron": "@daily"})).await;
        change(&app, "pauseSchedule", json!({"id": id}), STATUS).await;
        let fields = "execution { id } replayed";
        let input = json!({"id": id, "idempotencyKey": "now"});
        let first = change(&app, "triggerSchedule", input.clone(), fields).await;
        assert_eq!((&first["replayed"], &first["errors"]), (&json!(false), &json!([])));
        let again = change(&app, "triggerSchedule", input, fields).await;
        assert_eq!((&again["replayed"], &again["execution"]), (&json!(true), &first["execution"]));
        let other = change(&app, "triggerSchedule", json!({"id": id}), fields).await;
        assert_ne!(other["execution"], first["execution"]);
        let ended = app.ended(first["execution"]["id"].as_str().unwrap().parse().unwrap()).await;
        assert_eq!(ended.result.unwrap().as_str(), r#"{"sum":3}"#);
        let found = read(&app, &id).await;
        assert_eq!(found["executions"]["totalCount"]["count"], 2);
        assert_eq!(found["lastFiredAt"], Value::Null, "none of its times has come");
        let triggered = told(&app).await.into_iter().filter(|(name, _, _)| name == "schedule.triggered").count();
        assert_eq!(triggered, 2);
        app.assert_verified().await;
    }

    async fn times_that_have_passed_are_filled_up_once(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let session = app.session().await;
        let id = created(&app, session, json!({"cron": "0 * * * *", "overlap": "ALLOW"})).await;
        let range = json!({"id": id, "from": "2026-01-05T08:00:00Z", "until": "2026-01-05T11:00:00Z"});
        let filled = change(&app, "backfillSchedule", range.clone(), "times").await;
        assert_eq!(filled, json!({"times": 3, "errors": []}));
        let expected = ["2026-01-05T10:00:00Z", "2026-01-05T09:00:00Z", "2026-01-05T08:00:00Z"];
        let done = once(&app, &id, |it| times_of(it).len() == 3 && it["queuedTimes"] == json!([])).await;
        assert_eq!(times_of(&done), expected);
        change(&app, "backfillSchedule", range, "times").await;
        let done = once(&app, &id, |it| it["queuedTimes"] == json!([])).await;
        assert_eq!(times_of(&done), expected, "they have been made up for");
        for (from, until, path) in [
            ("2026-01-05T11:00:00Z", "2026-01-05T11:00:00Z", "until"),
            ("2026-01-05T11:00:00Z", "2026-01-05T13:00:00Z", "until"),
            ("2020-01-05T11:00:00Z", "2026-01-05T12:00:00Z", "until"),
        ] {
            let range = json!({"id": id, "from": from, "until": until});
            let refused = change(&app, "backfillSchedule", range, "times").await;
            assert_eq!(refused["errors"][0]["path"], json!(["input", path]), "{refused}");
        }
        app.assert_verified().await;
    }

    async fn schedules_are_listed_a_page_at_a_time(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let (session, other) = (app.session().await, app.session().await);
        let mut ids = Vec::new();
        for name in ["a", "b", "c"] {
            ids.push(created(&app, session, json!({"cron": "@daily", "name": name})).await);
        }
        let gated = json!({"cron": "@daily", "intentType": "gated", "parameters": {}});
        ids.push(created(&app, other, gated).await);
        ids.reverse();
        change(&app, "pauseSchedule", json!({"id": ids[1]}), STATUS).await;
        let query = "query($filter: ScheduleFilter, $first: Int, $after: String) {
            schedules(filter: $filter, first: $first, after: $after) {
            nodes { id } totalCount { count } pageInfo { hasNextPage endCursor } } }";
        let list = async |variables: Value| app.data(query, variables).await["schedules"].take();
        let first = list(json!({"first": 3})).await;
        assert_eq!(first["nodes"], json!(ids[..3].iter().map(|id| json!({"id": id})).collect::<Vec<_>>()));
        assert_eq!((&first["totalCount"]["count"], &first["pageInfo"]["hasNextPage"]), (&json!(4), &json!(true)));
        let rest = list(json!({"first": 3, "after": first["pageInfo"]["endCursor"]})).await;
        assert_eq!(rest["nodes"], json!([{"id": ids[3]}]));
        for (filter, found) in [
            (json!({"status": ["PAUSED"]}), vec![1]),
            (json!({"intentType": ["gated"]}), vec![0]),
            (json!({"sessionId": session.to_string()}), vec![1, 2, 3]),
            (json!({"name": "b", "status": ["ACTIVE"]}), vec![2]),
        ] {
            let page = list(json!({"filter": filter})).await;
            let expected: Vec<_> = found.iter().map(|at| json!({"id": ids[*at]})).collect();
            assert_eq!(page["nodes"], json!(expected), "{filter}");
            assert_eq!(page["totalCount"]["count"], json!(found.len()));
        }
    }

    async fn a_schedule_that_could_not_submit_is_refused(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node_with(&backend, &clock, &["limits.schedules=2"]).await;
        let session = app.session().await;
        for (more, path) in [
            (json!({}), "cron"),
            (json!({"cron": "@daily", "everySeconds": 5}), "cron"),
            (json!({"cron": "nightly"}), "cron"),
            (json!({"cron": "0 0 30 2 *"}), "cron"),
            (json!({"cron": "@daily", "timeZone": "Mars/Base"}), "timeZone"),
            (json!({"everySeconds": 0}), "everySeconds"),
            (json!({"cron": "@daily", "catchUpSeconds": 1}), "catchUpSeconds"),
            (json!({"cron": "@daily", "jitterSeconds": 3601}), "jitterSeconds"),
            (json!({"cron": "@daily", "name": "a\nb"}), "name"),
            (json!({"cron": "@daily", "priority": 10}), "priority"),
            (json!({"cron": "@daily", "intentType": "none"}), "intentType"),
            (json!({"cron": "@daily", "parameters": {"a": "one", "b": 2}}), "parameters"),
            (json!({"cron": "@daily", "sessionId": "ses_01m8j2gzpxfmv9xyk8ycfmwv9e"}), "sessionId"),
        ] {
            let refused = create(&app, session, more.clone()).await;
            assert_eq!(refused["schedule"], Value::Null, "{more}");
            assert_eq!(refused["errors"][0]["path"][1], path, "{more}: {refused}");
        }
        let large = json!({"cron": "@daily", "intentType": "echo", "parameters": {"message": "x".repeat(70_000)}});
        let refused = create(&app, session, large).await;
        assert_eq!(refused["errors"][0]["code"], "TOO_LARGE");
        created(&app, session, json!({"cron": "@daily"})).await;
        let second = created(&app, session, json!({"everySeconds": 60})).await;
        let refused = create(&app, session, json!({"cron": "@daily"})).await;
        assert!(refused["errors"][0]["message"].as_str().unwrap().contains("at most 2 schedules"), "{refused}");
        change(&app, "deleteSchedule", json!({"id": second}), STATUS).await;
        created(&app, session, json!({"cron": "@daily"})).await;
        let many = app.graphql("{ schedules { nodes { nextTimes(count: 101) } } }", json!({})).await;
        assert_eq!(many["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{many}");
        app.assert_verified().await;
    }

    async fn a_schedule_whose_session_has_ended_is_paused_and_says_why(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let session = app.session().await;
        let id = created(&app, session, json!({"cron": "*/5 * * * *"})).await;
        let close = "mutation($id: ID!) { closeSession(input: {sessionId: $id}) { errors { code } } }";
        app.data(close, json!({"id": session.to_string()})).await;
        clock.advance(5 * MINUTE);
        let paused = once(&app, &id, |it| it["status"] == "PAUSED").await;
        assert_eq!(paused["lastError"]["message"], "the session is closed", "{paused}");
        assert_eq!(times_of(&paused), [""; 0]);
        let told = told(&app).await;
        let last = told.last().unwrap();
        assert_eq!((last.0.as_str(), &last.1), ("schedule.paused", &Value::Null));
        let refused = create(&app, session, json!({"cron": "@daily"})).await;
        assert_eq!(refused["errors"][0]["code"], "SESSION_NOT_ACTIVE");
        app.assert_verified().await;
    }

    async fn sensitive_parameters_are_sealed_and_the_handler_gets_them(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let session = app.session().await;
        let secret = "swordfish-4711";
        let more = json!({
            "intentType": "login", "parameters": {"user": "ann", "password": secret}, "cron": "*/5 * * * *",
        });
        let id = created(&app, session, more).await;
        let shown = app.data("query($id: ID!) { schedule(id: $id) { parameters } }", json!({"id": id})).await;
        assert_eq!(shown["schedule"]["parameters"], json!({"user": "ann", "password": "***"}));
        clock.advance(5 * MINUTE);
        let fired = once(&app, &id, |it| it["lastFiredAt"].is_string()).await;
        let execution = fired["executions"]["nodes"][0]["id"].as_str().unwrap();
        let ended = app.ended(execution.parse().unwrap()).await;
        assert!(ended.result.unwrap().as_str().starts_with("\"ann "), "the handler was given the password");
        let told = app.data("{ walEntries(first: 200) { nodes { data payload } } }", json!({})).await;
        assert!(!told.to_string().contains("swordfish"), "{told}");
        for file in std::fs::read_dir(backend.folder.path()).unwrap() {
            let path = file.unwrap().path();
            let bytes = if path.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
            assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()), "{}", path.display());
        }
        app.assert_verified().await;
    }
}
