//! Lists that come in, and statements that nobody waits for any more.

use serde_json::{Value, json};

use crate::support::{TestApp, backends};

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("type_{n}")).collect()
}

/// Every place where a list comes in, with such a list.
fn requests(count: usize) -> Vec<(&'static str, Value)> {
    let names = names(count);
    let ids: Vec<String> = (0..count).map(|n| format!("art_{n:026}")).collect();
    let executions =
        "query($l: [String!]) { executions(filter: {intentType: $l}) { nodes { id } } }";
    let whole = "query($l: ExecutionFilter) { executions(filter: $l) { nodes { id } } }";
    let artifacts =
        "query($l: [String!]) { artifacts(filter: {artifactType: $l}) { nodes { id } } }";
    let statuses =
        "query($l: [SessionStatus!]) { sessions(filter: {status: $l}) { nodes { id } } }";
    let log = "query($l: [String!]) { walEntries(filter: {types: $l}) { nodes { id } } }";
    let roots = "query($l: [ID!]!) { lineage(roots: $l) { truncated } }";
    let stops =
        "query($l: [String!]) { lineage(roots: [], filter: {stopAtType: $l}) { truncated } }";
    vec![
        (executions, json!(names)),
        (whole, json!({"intentType": names})),
        (artifacts, json!(names)),
        (statuses, json!(vec!["ACTIVE"; count])),
        (log, json!(names)),
        (roots, json!(ids)),
        (stops, json!(names)),
    ]
}

backends! {
    async fn a_list_of_more_than_100_values_is_refused_wherever_it_comes_in(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for (query, list) in requests(101) {
            let answer = app.graphql(query, json!({"l": list})).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{query}");
            let message = answer["errors"][0]["message"].as_str().unwrap();
            assert!(message.contains("at most 100"), "{query}: {message}");
        }
        for (query, list) in requests(100).into_iter().filter(|(query, _)| !query.contains("roots: $l")) {
            let answer = app.graphql(query, json!({"l": list})).await;
            assert!(answer.get("errors").is_none(), "{query}: {answer}");
        }
        let literal = format!("{{ executions(filter: {{intentType: {:?}}}) {{ nodes {{ id }} }} }}", names(101));
        let answer = app.graphql(&literal, json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
        // A batch has a limit of its own, and the lists in JSON are data.
        let session = app.session().await.to_string();
        let intents: Vec<Value> = (0..101)
            .map(|n| json!({"intentType": "add", "sessionId": session, "parameters": {"a": n, "b": 1}}))
            .collect();
        let batch = "mutation($i: SubmitIntentsInput!) { submitIntents(input: $i) { results { errors { code } } errors { code } } }";
        let data = app.data(batch, json!({"i": {"intents": intents}})).await;
        assert_eq!(data["submitIntents"]["results"].as_array().unwrap().len(), 101);
        let state = "mutation($i: SetSessionStateInput!) { setSessionState(input: $i) { errors { code } } }";
        let input = json!({"sessionId": session, "state": names(1_000)});
        assert_eq!(app.data(state, json!({"i": input})).await["setSessionState"]["errors"], json!([]));
    }

    async fn a_variable_that_is_left_out_means_the_default_of_its_argument(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let mut last: Option<String> = None;
        for n in 0..3 {
            let made = app.run("make", json!({"name": format!("n{n}"), "parents": last.iter().collect::<Vec<_>>()})).await;
            last = made.result.unwrap().as_inline().unwrap().read().unwrap();
        }
        let query = "query($root: ID!, $depth: Int, $nodes: Int, $way: LineageDirection) {
            lineage(roots: [$root], maxDepth: $depth, maxNodes: $nodes, direction: $way) { ...shown }
            again: lineage(roots: [$root], maxDepth: $depth) { ...shown } }
            fragment shown on Lineage { nodes { artifact { displayName } } }";
        let data = app.data(query, json!({"root": last})).await;
        for field in ["lineage", "again"] {
            assert_eq!(data[field]["nodes"].as_array().unwrap().len(), 3, "{data}");
        }
        let data = app.data(query, json!({"root": last, "depth": 1})).await;
        assert_eq!(data["again"]["nodes"].as_array().unwrap().len(), 2, "{data}");
        let answer = app.graphql(query, json!({"root": last, "depth": null})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        let set = "mutation($id: ID!, $mode: StateWriteMode, $state: JSON!) {
            setSessionState(input: {sessionId: $id, state: $state, mode: $mode}) { session { state } errors { code } } }";
        let id = app.session().await.to_string();
        for state in [json!({"a": 1}), json!({"b": 2})] {
            let data = app.data(set, json!({"id": id, "state": state})).await;
            assert_eq!(data["setSessionState"]["session"]["state"], state);
        }
    }
}
