//! The OpenAPI document of the routes, and a page that shows it.

use std::sync::LazyLock;

use axum::{
    extract::State,
    http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    response::{Html, IntoResponse},
};
use serde_json::Value;
use utoipa::OpenApi;

use super::{
    Served, artifact, content,
    error::{ErrorBody, RequestFailure},
    execution, executions, export, intent, lineage, payload, session, stream, timeline,
};
use crate::api::{Asker, escaped};

/// The document; what a route says of itself is beside the route.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Takeoff",
        description = "The REST contract of an intent runtime. GraphQL, at /graphql, is the API; these \
            routes have the same services and checks. The header X-Takeoff-Tenant names the tenant.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        session::create,
        session::create_anonymous,
        session::read,
        session::upgrade,
        session::write_state,
        intent::submit,
        intent::list,
        execution::status,
        execution::cancel,
        execution::rerun,
        timeline::timeline,
        payload::payload,
        executions::list,
        export::export,
        stream::follow,
        artifact::resolve,
        artifact::list,
        lineage::lineage,
        content::download,
        content::create_upload,
    ),
    components(schemas(ErrorBody, payload::PayloadOf))
)]
struct Document;

static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Document::openapi);

/// `/api/openapi.json`, for whoever may look into the schema.
pub(super) async fn document(
    State(served): State<Served>,
    asker: Asker,
) -> Result<impl IntoResponse, RequestFailure> {
    served.port.check_asker(&asker)?;
    Ok(axum::Json(&*DOCUMENT))
}

/// `/api/docs`: the document for people, without a script.
pub(super) async fn page() -> impl IntoResponse {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    let headers = [
        (CONTENT_SECURITY_POLICY, policy),
        (CONTENT_TYPE, "text/html; charset=utf-8"),
    ];
    (headers, Html(PAGE.as_str()))
}

static PAGE: LazyLock<String> = LazyLock::new(|| {
    let document = serde_json::to_value(&*DOCUMENT).unwrap_or_default();
    html(&document)
});

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
<meta name=\"viewport\" content=\"width=device-width\"><title>Takeoff: REST</title><style>\
:root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
h2{margin:2.5rem 0 .25rem;font-size:1.1rem}code,pre{font:14px/1.4 ui-monospace,monospace}\
table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}\
pre{overflow:auto;padding:.6rem;border:1px solid #8884;border-radius:4px}</style></head><body>";

fn html(document: &Value) -> String {
    let mut parts = vec![
        HEAD.to_owned(),
        format!(
            "<h1>Takeoff: REST</h1><p>{}</p><p>As OpenAPI: <a href=\"/api/openapi.json\">/api/openapi.json</a></p>",
            text(&document["info"]["description"])
        ),
    ];
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, route) in item.as_object().into_iter().flatten() {
            parts.push(format!(
                "<h2><code>{} {}</code></h2><p>{}</p>",
                method.to_uppercase(),
                escaped(path),
                text(&route["summary"])
            ));
            parts.append(&mut of_route(document, route));
            parts.push(example(document, method, path, route));
        }
    }
    parts.push("</body></html>".to_owned());
    parts.concat()
}

fn of_route(document: &Value, route: &Value) -> Vec<String> {
    let parameters = table("Parameters", route["parameters"].as_array(), |one| {
        let place = text(&one["in"]);
        let mark = if one["required"] == true {
            ""
        } else {
            " (optional)"
        };
        [
            format!("{}{mark}", text(&one["name"])),
            type_of(&one["schema"]),
            format!("{place}: {}", text(&one["description"])),
        ]
    });
    let body = &route["requestBody"]["content"]["application/json"]["schema"];
    let answer = &route["responses"]["200"]["content"]["application/json"]["schema"];
    let answers = route["responses"].as_object().into_iter().flatten();
    let answers: Vec<_> = answers
        .map(|(status, answer)| format!("<code>{status}</code> {}", text(&answer["description"])))
        .collect();
    vec![
        parameters,
        fields("Body", resolved(document, body)),
        fields("Answer", resolved(document, answer)),
        format!("<p>{}</p>", answers.join(" · ")),
    ]
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn resolved<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let reference = schema["$ref"]
        .as_str()
        .and_then(|text| text.strip_prefix('#'));
    reference
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(schema)
}

fn fields(title: &str, schema: &Value) -> String {
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
    let properties: Vec<_> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .collect();
    table(title, Some(&properties), |(name, field)| {
        let mark = if is_required(name) { "" } else { " (optional)" };
        let about = text(&field["description"]);
        [format!("{}{mark}", escaped(name)), type_of(field), about]
    })
}

/// A schema's type in a word: that of JSON, `[…]` for lists, the record's name for records.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return escaped(reference.rsplit('/').next().unwrap_or_default());
    }
    let choices = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    if let Some(choices) = choices {
        let is_some = |one: &&Value| one["type"] != "null";
        let names: Vec<_> = choices.iter().filter(is_some).map(type_of).collect();
        return names.join(" or ");
    }
    let word = |one: &Value| match one.as_str() {
        Some("array") => Some(format!("[{}]", type_of(&schema["items"]))),
        Some("null") | None => None,
        Some(name) => Some(escaped(name)),
    };
    let names: Vec<_> = match &schema["type"] {
        Value::Array(all) => all.iter().filter_map(word).collect(),
        one => word(one).into_iter().collect(),
    };
    if names.is_empty() {
        return "any JSON".to_owned();
    }
    names.join(" or ")
}

/// The route as a command.
fn example(document: &Value, method: &str, path: &str, route: &Value) -> String {
    let filled = path
        .replace("{session_id}", "ses_…")
        .replace("{execution_id}", "exe_…")
        .replace("{artifact_id}", "art_…");
    let flag = match method {
        "get" => String::new(),
        method => format!(" -X {}", method.to_uppercase()),
    };
    let follows = if path.ends_with("/download") { "L" } else { "" };
    let body = &route["requestBody"]["content"]["application/json"]["schema"];
    let body = &resolved(document, body)["example"];
    let data = if body.is_null() {
        String::new()
    } else {
        format!(" \\\n  -H 'content-type: application/json' -d '{body}'")
    };
    let command = format!("curl -s{follows}{flag} http://127.0.0.1:8080{filled}{data}");
    format!("<pre>{}</pre>", escaped(&command))
}

fn table<T>(title: &str, rows: Option<&Vec<T>>, cells: impl Fn(&T) -> [String; 3]) -> String {
    let rows = rows.map(Vec::as_slice).unwrap_or_default();
    if rows.is_empty() {
        return String::new();
    }
    let rows = rows.iter().map(|row| {
        let [name, kind, about] = cells(row);
        format!("<tr><td><code>{name}</code></td><td><code>{kind}</code></td><td>{about}</td></tr>")
    });
    let rows: Vec<String> = rows.collect();
    let head = format!("<tr><th colspan=\"3\">{title}</th></tr>");
    ["<table>", &head, &rows.concat(), "</table>"].concat()
}
