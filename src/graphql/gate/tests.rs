use apollo_compiler::response::JsonMap;
use serde_json::json;

use super::*;
use crate::{
    graphql::schema::export_schema,
    model::{Budget, TenantId, price::*},
};

#[path = "../../../tests/it/support/hostile.rs"]
mod hostile;
use hostile::{hostile, numbered};

fn gate(limits: &GateLimits) -> Gate {
    Gate::new(&export_schema(), limits).unwrap()
}

fn incoming(request: &serde_json::Value) -> Incoming {
    Incoming::read(request.to_string().as_bytes()).unwrap()
}

fn admit(gate: &Gate, request: &serde_json::Value) -> Result<Admitted, Refused> {
    let budget = Arc::new(Budget::new(u64::from(u32::MAX), 0));
    admit_from(gate, request, &budget, &TenantId::default_tenant())
}

/// Paid by a tenant.
fn admit_from(
    gate: &Gate,
    request: &serde_json::Value,
    budget: &Arc<Budget>,
    tenant: &TenantId,
) -> Result<Admitted, Refused> {
    let meter = budget.meter(tenant, 1 << 20);
    gate.admit(incoming(request), tenant, &meter, || Ok(()))
}

/// The code and the first message of a refusal.
fn refusal(gate: &Gate, request: &serde_json::Value) -> (ErrorCode, String) {
    let refused = admit(gate, request).err().expect("it was admitted");
    let code = refused.code();
    (code, refused.into_errors(None).remove(0).message)
}

fn query(text: impl Into<String>) -> serde_json::Value {
    json!({ "query": text.into() })
}

/// The document that tools ask first.
const INTROSPECTION: &str = "query IntrospectionQuery { __schema { description
    queryType { name kind } mutationType { name kind } subscriptionType { name kind }
    types { ...FullType }
    directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
  fragment FullType on __Type { kind name description specifiedByURL
    fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue }
      type { ...TypeRef } isDeprecated deprecationReason }
    inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
    enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason }
    possibleTypes { ...TypeRef } }
  fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue
    isDeprecated deprecationReason }
  fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
    ofType { kind name } } } } } } } } } }";

#[test]
fn a_hostile_document_is_refused_for_what_it_is() {
    let gate = gate(&GateLimits::default());
    for (name, text, word) in hostile() {
        let (code, message) = refusal(&gate, &query(text));
        assert_eq!(code, ErrorCode::BadUserInput, "{name}: {message}");
        assert!(message.contains(word), "{name}: {message}");
        assert!(message.chars().count() <= 301, "{name}: {message}");
    }
}

#[test]
fn what_tools_ask_passes() {
    let gate = gate(&GateLimits::default());
    for text in [INTROSPECTION, "{ __typename }"] {
        let admitted = admit(&gate, &query(text)).map_err(|refused| refused.into_errors(None));
        assert_eq!(admitted.unwrap().kind, OperationType::Query);
    }
}

#[test]
fn every_escape_in_a_string_is_read() {
    let gate = gate(&GateLimits::default());
    for text in [
        "{ intentType(name: \"\\uD83D\\uDE00\") { name } }",
        "{ intentType(name: \"\\u00e9\\u{1F600}\\n\\\"\") { name } }",
        "mutation { createSession(input: {metadata: {a: \"\"\"block \"quoted\" \\u{1}\"\"\"}}) { session { id } } }",
    ] {
        let admitted = admit(&gate, &query(text)).map_err(|refused| refused.into_errors(None));
        assert!(admitted.is_ok(), "{text}: {:?}", admitted.err());
    }
}

#[test]
fn introspection_can_be_switched_off() {
    let gate = gate(&GateLimits {
        introspection: false,
        ..GateLimits::default()
    });
    for text in [
        INTROSPECTION,
        "{ __type(name: \"Query\") { name } }",
        "{ ...q } fragment q on Query { __schema { description } }",
    ] {
        assert_eq!(refusal(&gate, &query(text)).0, ErrorCode::Forbidden);
    }
    assert!(admit(&gate, &query("{ __typename }")).is_ok());
}

#[test]
fn at_most_ten_errors_are_told() {
    let text = format!("{{ {} }}", numbered(20, |n| format!("f{n} ")));
    let refused = admit(&gate(&GateLimits::default()), &query(text))
        .err()
        .unwrap();
    let errors = refused.into_errors(None);
    assert_eq!(errors.len(), 10);
    assert!(errors.iter().all(|error| error.locations.len() == 1));
}

#[test]
fn what_the_executor_itself_would_let_pass_is_refused() {
    let gate = gate(&GateLimits::default());
    for text in [
        // Several roots of one subscription.
        "subscription { tenantEvents { cursor } other: tenantEvents { cursor } }",
        // Fields of one name that mean different things, below.
        "{ executions { nodes { id } } executions { nodes { id: status } } }",
        "mutation { createSession(input: {}) { session { id } } } query { nothing }",
        "{ executions(first: \"x\") { nodes { id } } }",
        "query($a: ID!, $a: ID!) { node(id: $a) { id } }",
        "query($a: Int) { node(id: $a) { id } }",
        "{ __typename } { __typename }",
        "fragment f on Query { __typename }",
        "type Query { a: Int }",
        // Values within values.
        "mutation { createSession(input: {metadata: {a: 1, a: 2}}) { session { id } } }",
        "{ executions(filter: {sessionId: \"s\", sessionId: \"s\"}) { nodes { id } } }",
        "query($a: ID = null) { execution(id: $a) { id } }",
        "query($a: ID) { lineage(roots: [$a]) { truncated } }",
        "mutation($a: String) { submitIntent(input: {intentType: $a, sessionId: \"s\"}) { replayed } }",
        "mutation { createSession(input: {metadata: {deep: [$a]}}) { session { id } } }",
    ] {
        assert_eq!(
            refusal(&gate, &query(text)).0,
            ErrorCode::BadUserInput,
            "{text}"
        );
    }
}

#[test]
fn variables_are_coerced_before_anything_runs() {
    let gate = gate(&GateLimits::default());
    let text = "mutation($input: SubmitIntentInput!, $second: SubmitIntentInput!) {
        a: submitIntent(input: $input) { replayed } b: submitIntent(input: $second) { replayed } }";
    let good = json!({"intentType": "add", "sessionId": "ses_x"});
    for variables in [
        json!({"input": good}),
        json!({"input": good, "second": null}),
        json!({"input": good, "second": {"intentType": "add"}}),
        json!({"input": good, "second": {"intentType": 7, "sessionId": "x"}}),
        json!({"input": good, "second": {"intentType": "add", "sessionId": "x", "other": 1}}),
        json!({"input": good, "second": {"intentType": "add", "sessionId": "x", "priority": 1.5}}),
        json!({"input": good, "second": {"intentType": "add", "sessionId": "x", "priority": 4_294_967_296_i64}}),
    ] {
        let (code, message) = refusal(&gate, &json!({"query": text, "variables": variables}));
        assert_eq!(code, ErrorCode::BadUserInput, "{message}");
    }
    let both = json!({"query": text, "variables": {"input": good, "second": good}});
    let admitted = admit(&gate, &both).ok().unwrap();
    assert_eq!(admitted.kind, OperationType::Mutation);
    assert!(!admitted.takes_idempotency_key());
}

#[test]
fn a_text_that_is_no_time_runs_nothing() {
    let gate = gate(&GateLimits::default());
    let by_variable = "query($f: ExecutionFilter) { executions(filter: $f) { nodes { id } } }";
    let literal = |value: &str| {
        query(format!(
            "{{ executions(filter: {{createdAfter: {value}}}) {{ nodes {{ id }} }} }}"
        ))
    };
    let variable = |value: serde_json::Value| json!({"query": by_variable, "variables": {"f": {"createdAfter": value}}});
    for bad in [
        literal("\"yesterday\""),
        literal("7"),
        literal("{}"),
        variable(json!("yesterday")),
        variable(json!(7)),
        query(
            "query($t: DateTime = \"x\") { executions(filter: {createdAfter: $t}) { nodes { id } } }",
        ),
        query(
            "mutation { setSessionState(input: {sessionId: \"x\", state: 1, ifVersion: \"1.5\"}) { errors { code } } }",
        ),
    ] {
        let (code, message) = refusal(&gate, &bad);
        assert_eq!(code, ErrorCode::BadUserInput, "{bad}: {message}");
    }
    for good in [
        literal("\"2026-01-31T12:00:00Z\""),
        literal("null"),
        variable(json!("2026-01-31T12:00:00+01:00")),
        variable(json!(null)),
        query(
            "mutation { setSessionState(input: {sessionId: \"x\", state: {a: [1]}, ifVersion: 1}) { errors { code } } }",
        ),
    ] {
        assert!(admit(&gate, &good).is_ok(), "{good}");
    }
}

#[test]
fn defaults_fill_in_and_what_is_left_out_stays_out() {
    let text = "query($first: Int = 3, $after: String) { executions(first: $first, after: $after) { nodes { id } } }";
    let admitted = admit(&gate(&GateLimits::default()), &query(text))
        .ok()
        .unwrap();
    let variables = serde_json::to_value(&admitted.request.variables).unwrap();
    assert_eq!(variables, json!({"first": 3}));
}

fn cost(text: &str, variables: serde_json::Value) -> u64 {
    let gate = gate(&GateLimits::default());
    let document = gate.document(&incoming(&query(text)), &Meter::new(0));
    let document = document.ok().unwrap();
    let variables: JsonMap = serde_json::from_value(variables).unwrap();
    let operation = document.operation(None).unwrap();
    cost::of(&document.checked, operation, &variables).most
}

#[test]
fn the_cost_is_what_may_be_fetched() {
    let none = || json!({});
    // A page is an object; so is each of its items.
    let page = OBJECT + STATEMENT;
    let item = OBJECT + LEAF;
    assert_eq!(cost("{ __typename }", none()), LEAF);
    assert_eq!(cost("{ viewer { tenantId } }", none()), page + LEAF);
    let executions = |first: &str| format!("{{ executions{first} {{ nodes {{ id }} }} }}");
    for (first, items) in [("(first: 5)", 5), ("", 50), ("(first: 2147483647)", 200)] {
        assert_eq!(cost(&executions(first), none()), page + items * item);
    }
    let by_variable = "query($n: Int) { executions(first: $n) { nodes { intent { id } } } }";
    assert_eq!(
        cost(by_variable, json!({"n": 7})),
        page + 7 * (OBJECT + item)
    );
    let again = "{ executions(first: 5) { nodes { id a: id result } } }";
    assert_eq!(cost(again, none()), page + 5 * (OBJECT + 2 * LEAF + JSON));
    let twice = "{ a: executions(first: 2) { ...p } b: executions(first: 3) { ...p } }
        fragment p on ExecutionConnection { nodes { id } }";
    assert_eq!(cost(twice, none()), 2 * page + (2 + 3) * item);
    // Counting is paid once for a list, whatever the length of its pages, and looking into metadata, too.
    let counted = "query($f: ExecutionFilter) { executions(first: 5, filter: $f) { totalCount { count } nodes { id } } }";
    let plain = page + 5 * item;
    assert_eq!(cost(counted, none()), plain + COUNT);
    assert_eq!(
        cost(counted, json!({"f": {"rootsOnly": true}})),
        plain + FILTERED_COUNT
    );
    let noted = json!({"f": {"metadata": [{"key": "a", "value": 1}]}});
    assert_eq!(cost(counted, noted), plain + FILTERED_COUNT + METADATA);
    let of_each = "{ executions(first: 5) { nodes { children(first: 7) { ... { totalCount { count } } } } } }";
    assert_eq!(cost(of_each, none()), page + 5 * (2 * OBJECT + COUNT));
    // The first pages of a level are one statement; others are one each.
    let within = |after: &str| {
        format!(
            "{{ executions(first: 9) {{ nodes {{ artifacts(first: 2{after}) {{ nodes {{ id }} }} }} }} }}"
        )
    };
    let first_pages = page + 9 * (OBJECT + OBJECT + 2 * item);
    assert_eq!(cost(&within(""), none()), first_pages);
    assert_eq!(
        cost(&within(", after: \"x\""), none()),
        first_pages + 9 * STATEMENT
    );
    let lineage =
        "query($id: ID!) { lineage(roots: [$id], maxNodes: 30) { nodes { artifact { id } } } }";
    assert_eq!(
        cost(lineage, json!({"id": "x"})),
        page + 30 * (OBJECT + item)
    );
    let batch = "mutation($i: SubmitIntentsInput!) {
        submitIntents(input: $i) { results { errors { code } } errors { code } } }";
    let of = |count: usize| cost(batch, json!({"i": {"intents": vec![json!({}); count]}}));
    assert!(of(1_000) - of(500) >= 500 * CHANGE);
    assert!(of(1_000) - of(500) < 500 * 2 * CHANGE);
    let events = "subscription { tenantEvents { cursor events { sequence } } }";
    assert_eq!(cost(events, none()), OBJECT + LEAF + 100 * item);
    let changes = "subscription { executionChanges { cursor leftIds executions { id } } }";
    let plain = STATEMENT + OBJECT + LEAF + 100 * LEAF + 100 * item;
    assert_eq!(cost(changes, none()), plain);
}

#[test]
fn a_request_that_costs_too_much_is_refused() {
    let gate = gate(&GateLimits {
        cost: 1000,
        ..GateLimits::default()
    });
    let text = "{ executions(first: 200) { nodes { children(first: 200) { nodes { id } } } } }";
    let (code, message) = refusal(&gate, &query(text));
    assert_eq!(code, ErrorCode::CostExceeded, "{message}");
    assert!(message.contains("1000"), "{message}");
}

#[test]
fn what_is_parsed_is_paid_for_whether_or_not_it_is_valid() {
    let gate = gate(&GateLimits {
        cost: 1,
        ..GateLimits::default()
    });
    let [one, other] = ["one", "other"].map(|name| name.parse::<TenantId>().unwrap());
    let budget = Arc::new(Budget::new(10_000, 0));
    let long = |n: usize| {
        query(format!(
            "{{ __typename nothing{n} }} #{}",
            "x".repeat(12_000)
        ))
    };
    let codes = (0..4).map(|n| {
        let refused = admit_from(&gate, &long(n), &budget, &one).err();
        refused.unwrap().code()
    });
    let codes: Vec<ErrorCode> = codes.collect();
    assert_eq!(codes[..2], [ErrorCode::BadUserInput; 2]);
    assert_eq!(codes[3], ErrorCode::RateLimited);
    // Another tenant has its own share, and what is known costs no parsing.
    for _ in 0..20 {
        let known = query(format!("{{ __typename }} #{}", "x".repeat(12_000)));
        assert!(admit_from(&gate, &known, &budget, &other).is_ok());
    }
}

#[test]
fn trusted_documents_are_read_and_nothing_else_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = ("query One { runtime { version } }", "{ __typename }");
    std::fs::write(folder.path().join("one.graphql"), one).unwrap();
    std::fs::write(
        folder.path().join("ids.json"),
        json!({"two": two}).to_string(),
    )
    .unwrap();
    let gate = gate(&GateLimits {
        documents: Some(folder.path().to_owned()),
        trusted_only: true,
        ..GateLimits::default()
    });
    let digest = data_encoding::HEXLOWER.encode(&<sha2::Sha256 as sha2::Digest>::digest(one));
    for request in [
        json!({"documentId": "two"}),
        json!({"documentId": digest}),
        json!({"documentId": format!("sha256:{digest}")}),
        json!({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest}}}),
        query(two),
    ] {
        assert!(admit(&gate, &request).is_ok(), "{request}");
    }
    let (code, _) = refusal(&gate, &query("{ runtime { version } }"));
    assert_eq!(code, ErrorCode::Forbidden);
    let (_, message) = refusal(&gate, &json!({"documentId": "three"}));
    assert_eq!(message, "PersistedQueryNotFound");
    assert_eq!(
        refusal(&gate, &query(INTROSPECTION)).0,
        ErrorCode::Forbidden
    );
}

#[test]
fn a_trusted_document_that_is_not_valid_is_named_at_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.graphql"), "{ nothing }").unwrap();
    let limits = GateLimits {
        documents: Some(folder.path().to_owned()),
        ..GateLimits::default()
    };
    let error = Gate::new(&export_schema(), &limits)
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("bad.graphql") && error.contains("nothing"),
        "{error}"
    );
}

/// By the clock of the thread, so that a busy machine does not matter.
#[test]
fn a_hostile_document_is_refused_within_five_milliseconds() {
    // Code that was not optimized is slower by more than this.
    let most_micros = if cfg!(debug_assertions) {
        5_000 * 4
    } else {
        5_000
    };
    let gate = gate(&GateLimits::default());
    for (name, text, _) in hostile() {
        let request = query(text);
        let once = || {
            let began = cpu_time::ThreadTime::now();
            assert!(admit(&gate, &request).is_err());
            began.elapsed().as_micros()
        };
        let least = (0..5).map(|_| once()).min().unwrap();
        assert!(least < most_micros, "{name}: {least} microseconds");
    }
}
