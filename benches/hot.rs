//! Functions that run for every request or event: `cargo bench --bench hot`.

use std::{
    fmt::Write,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    path::Path,
};

use anyhow::Context;
use axum::{Router, body::Body, http::Request};
use criterion::{BatchSize, Criterion};
use futures::FutureExt as _;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::json;
use takeoff::{
    app::{App, Node},
    artifact_registry::mermaid,
    auth::NewKey,
    config::{Config, Overrides},
    content::{ContentStore, LineWindow, S3Options},
    graphql,
    model::{Artifact, ArtifactId, EventBody, ExecutionId, IntentId, SessionId, TenantId},
    solutions::content::parsing::{ParseOptions, parse, profile},
    storage::{Lineage, LineageEdge, LineageNode},
};
use tokio::runtime::Runtime;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use uuid::Uuid;

/// Where requests come from.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    ids(&mut criterion)?;
    events(&mut criterion)?;
    lineage(&mut criterion)?;
    gate(&mut criterion)?;
    proof(&mut criterion)?;
    content(&mut criterion)?;
    criterion.final_summary();
    Ok(())
}

fn ids(criterion: &mut Criterion) -> anyhow::Result<()> {
    let id = ExecutionId(Uuid::from_u128(0x0192_6c5e_7a11_7000_8000_0000_0000_0001));
    let text = id.to_string();
    text.parse::<ExecutionId>().context("an id of ours")?;
    criterion.bench_function("id to text", |b| b.iter(|| black_box(id).to_string()));
    criterion.bench_function("id from text", |b| {
        b.iter(|| black_box(text.as_str()).parse::<ExecutionId>());
    });
    Ok(())
}

fn events(criterion: &mut Criterion) -> anyhow::Result<()> {
    let body = EventBody::ProgressReported {
        fraction: 0.25,
        message: Some("a quarter of the file".to_owned()),
    };
    let (kind, data) = body.encode()?;
    criterion.bench_function("event encoded", |b| b.iter(|| black_box(&body).encode()));
    criterion.bench_function("event decoded", |b| {
        b.iter(|| EventBody::decode(black_box(&kind), black_box(&data)));
    });
    Ok(())
}

/// An artifact as the server would read it.
fn artifact(id: ArtifactId) -> serde_json::Result<Artifact> {
    let (nil, now) = (Uuid::nil(), 1_800_000_000_000_000_i64);
    let text = json!({
        "id": id, "artifact_type": "parsed_content", "tenant_id": "default", "session_id": SessionId(nil),
        "execution_id": ExecutionId(nil), "intent_id": IntentId(nil), "intent_type": "parse_content",
        "state": "READY", "semantic_descriptor": {}, "display_name": "orders.csv", "owner": null,
        "purpose": null, "generation": 1, "roots": [], "content_hash": "", "version": 1, "next_seq": 2,
        "created_at": now, "updated_at": now,
    });
    serde_json::from_str(&text.to_string())
}

/// A thousand artifacts with three parents each.
fn lineage(criterion: &mut Criterion) -> anyhow::Result<()> {
    let id = |n: u32| ArtifactId(Uuid::from_u128(n.into()));
    let nodes = (0..1_000).map(|n| {
        anyhow::Ok(LineageNode {
            depth: n / 10,
            artifact: artifact(id(n))?.into(),
            is_root: n == 0,
        })
    });
    let edges = (0..997).flat_map(|n| {
        (1..=3).map(move |step| LineageEdge {
            parent_id: id(n + step),
            child_id: id(n),
            intent_type: "parse_content".to_owned(),
        })
    });
    let found = Lineage {
        nodes: nodes.collect::<anyhow::Result<_>>()?,
        edges: edges.collect(),
        ..Lineage::default()
    };
    criterion.bench_function("lineage of 1,000 artifacts as Mermaid", |b| {
        b.iter(|| mermaid(black_box(&found)));
    });
    Ok(())
}

/// A request from its bytes to those of its answer, without a socket; what the gate has seen, and
/// what it must parse and validate first.
fn gate(criterion: &mut Criterion) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("takeoff-bench.")
        .tempdir()?;
    let runtime = Runtime::new()?;
    let node = runtime.block_on(start(folder.path(), &[]))?;
    let gate = graphql::Gate::new(&graphql::export_schema(), &graphql::GateLimits::default())?;
    let options = graphql::HttpOptions {
        port: takeoff::api::Port::Main,
        bodies: takeoff::api::Bodies::new(1 << 20, 1 << 26),
        stop: CancellationToken::new(),
        websocket: graphql::WebSocketOptions::default(),
        sockets: TaskTracker::new(),
        logins: Vec::new(),
    };
    let router = graphql::routes(&graphql::Api::new(node.services.clone(), gate), &options);
    criterion.bench_function("request with a known document", |b| {
        b.iter_batched(
            || r#"{"query": "{ __typename }"}"#.to_owned(),
            |body| runtime.block_on(ask(&router, body)),
            BatchSize::SmallInput,
        );
    });
    let mut number = 0_u64;
    criterion.bench_function("request with a new document", |b| {
        b.iter_batched(
            || {
                number += 1;
                format!(r#"{{"query": "query Q{number} {{ __typename }}"}}"#)
            },
            |body| runtime.block_on(ask(&router, body)),
            BatchSize::SmallInput,
        );
    });
    runtime.block_on(node.stop());
    Ok(())
}

/// What a request costs more where a proof is required: a key and a token that were found good before.
fn proof(criterion: &mut Criterion) -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("takeoff-bench.")
        .tempdir()?;
    let (setting, token) = issuer(folder.path())?;
    let runtime = Runtime::new()?;
    let node = runtime.block_on(start(folder.path(), &["auth.mode=required", &setting]))?;
    let new = NewKey {
        roles: vec!["developer".to_owned()],
        ..NewKey::default()
    };
    let services = node.services.clone();
    let caller = node.principal(TenantId::default_tenant());
    let key = runtime.block_on(services.keys.create(&caller, new))?.text;
    let authenticator = services.authenticator.clone();
    for (name, proof) in [("key", key.expose()), ("token", token.as_str())] {
        runtime.block_on(authenticator.bearer(proof, HERE))?;
        criterion.bench_function(&format!("{name} that was found good before"), |b| {
            b.iter(|| {
                let known = authenticator.bearer(black_box(proof), HERE).now_or_never();
                known.map(|known| known.is_ok())
            });
        });
    }
    runtime.block_on(node.stop());
    Ok(())
}

/// The setting of an issuer whose keys are in a file, and a token of it.
fn issuer(folder: &Path) -> anyhow::Result<(String, String)> {
    // Of the tests' issuer; it signs nothing else.
    let key = EncodingKey::from_ed_der(include_bytes!("../tests/it/auth/signing/ed.der"));
    let mut jwk = Jwk::from_encoding_key(&key, Algorithm::EdDSA)?;
    jwk.common.key_id = Some("ed".to_owned());
    let file = folder.join("jwks.json");
    std::fs::write(&file, json!({"keys": [jwk]}).to_string())?;
    let url = "https://issuer.example";
    let issuer = json!([{"url": url, "audience": ["takeoff"], "jwks_file": file, "tenant": "default",
        "default_roles": ["developer"]}]);
    let header = Header {
        kid: Some("ed".to_owned()),
        ..Header::new(Algorithm::EdDSA)
    };
    let claims = json!({"iss": url, "aud": "takeoff", "sub": "ann", "exp": 4_000_000_000_u64});
    Ok((
        format!("auth.issuers={issuer}"),
        encode(&header, &claims, &key)?,
    ))
}

/// A table of a million rows (43 MB of CSV): parsed, profiled, and its last two rows looked at.
fn content(criterion: &mut Criterion) -> anyhow::Result<()> {
    const ROWS: u32 = 1_000_000;
    let mut csv = String::from("id,customer,city,price,ordered\n");
    for n in 0..ROWS {
        let mixed = n.wrapping_mul(2_654_435_761);
        writeln!(
            csv,
            "{n},customer {},city {},{}.{:02},2024-{:02}-{:02}",
            mixed % 100_000,
            mixed % 997,
            mixed % 5_003,
            mixed % 100,
            mixed % 12 + 1,
            mixed % 28 + 1,
        )?;
    }
    let options = ParseOptions::default();
    let parsed = parse(csv.as_bytes(), Some("orders.csv"), &options)?;
    let rows = parsed.rows.unpack()?;
    let mut group = criterion.benchmark_group("a million rows");
    group.sample_size(10);
    group.bench_function("parsed", |b| {
        b.iter(|| parse(black_box(csv.as_bytes()), Some("orders.csv"), &options));
    });
    group.bench_function("profiled", |b| {
        b.iter(|| profile(&parsed.columns, black_box(&rows)));
    });
    let folder = tempfile::Builder::new()
        .prefix("takeoff-bench.")
        .tempdir()?;
    let runtime = Runtime::new()?;
    let url = format!("file://{}", folder.path().display());
    let store = runtime.block_on(ContentStore::open(&url, &S3Options::default()))?;
    let node = runtime.block_on(start(folder.path(), &[]))?;
    let scope = node.principal(TenantId::default_tenant()).scope();
    let stored = runtime.block_on(store.put_packed(&scope, parsed.rows.clone()))?;
    let window = LineWindow {
        skip: u64::from(ROWS) - 2,
        most: 2,
        max_bytes: 1 << 20,
    };
    group.bench_function("the last two looked at", |b| {
        b.iter(|| runtime.block_on(store.lines(&scope, &stored.digest, window)));
    });
    group.finish();
    runtime.block_on(node.stop());
    Ok(())
}

async fn start(folder: &Path, more: &[&str]) -> anyhow::Result<Node> {
    let file = folder.join("takeoff.toml");
    std::fs::write(&file, "")?;
    let mut set = vec![
        format!("data_dir={}", folder.display()),
        format!("graphql.cost_per_second={}", u32::MAX),
    ];
    set.extend(more.iter().map(|&setting| setting.to_owned()));
    let overrides = Overrides {
        set,
        config: Some(file),
        ..Overrides::default()
    };
    App::new(Config::load(&overrides, std::iter::empty())?)
        .start()
        .await
}

async fn ask(router: &Router, body: String) -> anyhow::Result<()> {
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .body(Body::from(body))?;
    let answer = router.clone().oneshot(request).await?;
    anyhow::ensure!(answer.status() == 200, "{}", answer.status());
    Ok(())
}
