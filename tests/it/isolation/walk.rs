//! Every way to name something is tried: the schema, the OpenAPI document and the router are walked for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};

use super::{
    listed::{ENDLESS, OPERATIONS},
    names::NAMES_OF_NOTHING,
    routes::{self, OTHER_PATHS, REQUESTS},
};
use crate::support::{Backend, TestApp};

const SCHEMA: &str = "{ __schema { types { name kind
    fields { name args { name type { ...T } } }
    inputFields { name type { ...T } } } } }
    fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

fn name_of(mut of: &Value) -> &str {
    while !of["ofType"].is_null() {
        of = &of["ofType"];
    }
    of["name"].as_str().unwrap()
}

fn list<'a>(of: &'a Value, member: &str) -> &'a [Value] {
    of[member].as_array().map_or(&[][..], Vec::as_slice)
}

/// The ids, texts and JSON values below an argument.
fn leaves(inputs: &BTreeMap<&str, &Value>, at: String, of: &str, found: &mut BTreeSet<String>) {
    if let Some(input) = inputs.get(of) {
        for member in list(input, "inputFields") {
            let at = format!("{at}.{}", member["name"].as_str().unwrap());
            leaves(inputs, at, name_of(&member["type"]), found);
        }
    } else if matches!(of, "ID" | "String" | "JSON") {
        found.insert(at);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_argument_of_the_schema_is_tried_or_names_nothing() {
    let app = TestApp::start(&Backend::sqlite()).await;
    let schema = app.data(SCHEMA, json!({})).await;
    let types = list(&schema["__schema"], "types");
    let inputs = types.iter().filter(|one| one["kind"] == "INPUT_OBJECT");
    let inputs = inputs.map(|one| (one["name"].as_str().unwrap(), one));
    let inputs: BTreeMap<&str, &Value> = inputs.collect();
    let mut found = BTreeSet::new();
    for one in types.iter().filter(|one| one["kind"] == "OBJECT") {
        let name = one["name"].as_str().unwrap();
        if name.starts_with("__") {
            continue;
        }
        for field in list(one, "fields") {
            for argument in list(field, "args") {
                let (field, argument_name) = (&field["name"], &argument["name"]);
                let (field, argument_name) = (field.as_str(), argument_name.as_str());
                let at = format!("{name}.{}.{}", field.unwrap(), argument_name.unwrap());
                leaves(&inputs, at, name_of(&argument["type"]), &mut found);
            }
        }
    }
    let tried = OPERATIONS.iter().flat_map(|one| one.covers);
    let tried = tried.chain(ENDLESS).chain(NAMES_OF_NOTHING);
    let tried: BTreeSet<String> = tried.map(|&name| name.to_owned()).collect();
    assert_eq!(found, tried);
}

/// The members of a schema of the OpenAPI document that can hold a name.
fn members(document: &Value, of: &Value) -> Vec<String> {
    let of = match of["$ref"].as_str() {
        Some(path) => document.pointer(path.trim_start_matches('#')).unwrap(),
        None => of,
    };
    let can_name = |value: &Value| {
        let text = value.to_string();
        let plain = ["integer", "boolean", "number"];
        text.contains("\"string\"")
            || text.contains("\"object\"")
            || !plain.iter().any(|kind| text.contains(kind))
    };
    let members = of["properties"].as_object().into_iter().flatten();
    let members = members.filter(|(_, value)| can_name(value));
    members.map(|(name, _)| name.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_parameter_of_the_routes_is_tried_or_names_nothing() {
    let app = TestApp::start(&Backend::sqlite()).await;
    let document = app.http.get(app.url("/api/openapi.json")).send().await;
    let document: Value = document.unwrap().json().await.unwrap();
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, route) in methods.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            let parameters = list(route, "parameters").iter();
            let parameters =
                parameters.filter(|one| !one["schema"].to_string().contains("boolean"));
            let parameters = parameters.map(|one| one["name"].as_str().unwrap().to_owned());
            let body = &route["requestBody"]["content"]["application/json"]["schema"];
            let all = parameters.chain(members(&document, body));
            found.extend(all.map(|member| format!("{name} {member}")));
        }
    }
    let tried = REQUESTS.iter().flat_map(|request| {
        let covers = request.covers.iter();
        covers.map(move |member| format!("{} {member}", request.route))
    });
    let nothing = routes::NAMES_OF_NOTHING.iter().map(|&name| name.to_owned());
    let tried: BTreeSet<String> = tried.chain(nothing).collect();
    assert_eq!(found, tried);
}

fn paths_in(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            paths_in(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        if path.ends_with("tests.rs") {
            continue;
        }
        for rest in code.split(".route(").skip(1) {
            let rest = rest.trim_start();
            if let Some(literal) = rest.strip_prefix('"') {
                found.insert(literal.split('"').next().unwrap().to_owned());
            }
        }
    }
}

#[test]
fn every_path_of_the_router_is_tried_or_names_nothing() {
    let mut found = BTreeSet::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    paths_in(&sources, &mut found);
    let tried = REQUESTS
        .iter()
        .map(|request| request.route.split_once(' ').unwrap().1);
    let others = OTHER_PATHS.iter().map(|(path, _)| *path);
    let mut listed: BTreeSet<String> = tried.chain(others).map(str::to_owned).collect();
    // Their parameters name nothing.
    listed.extend(["/api/artifact/list", "/api/intents", "/api/upload/create"].map(str::to_owned));
    assert_eq!(found, listed);
}
