//! What is another tenant's is not there: whatever names it, by whatever transport, is answered as the name of
//! nothing, to the byte, and by the same statements.

mod answers;
mod conditions;
mod listed;
mod names;
mod routes;
mod statements;
mod walk;
mod world;

use answers::{Answer, Filled, Transport};
use listed::OPERATIONS;
use routes::REQUESTS;
use serde_json::{Value, json};
use takeoff::{model::Materialization, uploads::Shown};
use world::{Names, World};

use crate::support::{Received, Socket, backends, statements::without_numbers};

/// How often two answers are compared until they are the same. A leak makes them differ every time; work of the node
/// between the two, only now and then.
const TRIES: usize = 20;

/// `text` with its names: `<name>` from `tried`, `<own name>` from `own`.
fn filled(text: &str, tried: &Names, own: &Names) -> String {
    let mut filled = text.to_owned();
    for (kind, name) in own {
        filled = filled.replace(&format!("<own {kind}>"), name);
    }
    for (kind, name) in tried {
        filled = filled.replace(&format!("<{kind}>"), name);
    }
    filled
}

/// What one caller is answered, and the statements that it takes.
async fn told<F: Future<Output = Answer>>(
    world: &World,
    tried: &Names,
    ask: F,
) -> (Answer, Vec<String>) {
    world.statements.take();
    let answer = ask.await.masked(tried);
    // Those that a node makes by itself: it looks which keys are revoked.
    let own = |text: &String| {
        !text.contains("k.revoked_at IS NOT NULL") && !text.contains("SET last_used_at")
    };
    let statements = world.statements.take().into_iter().filter(own);
    let mut statements: Vec<String> = statements.map(|text| without_numbers(&text)).collect();
    // Fields of one query are read side by side.
    statements.sort();
    (answer, statements)
}

/// Asks as globex for what is acme's and for what is nothing, and returns the answer to the latter. Where an execution
/// `starts`, the statements are not compared.
async fn compare<F: Future<Output = Answer>>(
    world: &World,
    name: &str,
    starts: bool,
    ask: impl Fn(&str, &Names, &Names) -> F,
) -> Answer {
    let World {
        acme,
        globex,
        absent,
        ..
    } = world;
    let mut first = None;
    for n in 1..=TRIES {
        let foreign = ask(&globex.token, &acme.names, &globex.names);
        let foreign = told(world, &acme.names, foreign).await;
        let nothing = ask(&globex.token, absent, &globex.names);
        let nothing = told(world, absent, nothing).await;
        let (same_answer, same_statements) = (foreign.0 == nothing.0, foreign.1 == nothing.1);
        if n == TRIES {
            assert_eq!(foreign.0, nothing.0, "{name}");
            assert!(
                starts || same_statements,
                "{name}: the statements for what is another's: {:#?}, and for what is nothing: {:#?}",
                foreign.1,
                nothing.1
            );
        }
        // What is submitted again is another matter.
        first.get_or_insert(nothing.0);
        if same_answer && (starts || same_statements) {
            break;
        }
    }
    first.unwrap()
}

/// The owner gets something else: the request asks for what is there.
async fn finds<F: Future<Output = Answer>>(
    world: &World,
    name: &str,
    nothing: &Answer,
    ask: impl Fn(&str, &Names, &Names) -> F,
) {
    let acme = &world.acme;
    let own = ask(&acme.token, &acme.names, &acme.names);
    let own = told(world, &acme.names, own).await.0;
    assert_ne!(&own, nothing, "{name}: its owner finds nothing either");
}

async fn each_operation(world: &World, transport: Transport) {
    let mut owners = Vec::new();
    for operation in OPERATIONS {
        if !transport.takes(operation.text) {
            continue;
        }
        let name = format!("{transport:?} {}", operation.text);
        let ask = |token: &str, tried: &Names, own: &Names| {
            let text = filled(operation.text, tried, own);
            transport.ask(&world.app, token.to_owned(), text)
        };
        let nothing = compare(world, &name, false, ask).await;
        // A document that is not valid is refused alike for all ids.
        assert!(nothing.body.contains(r#""data""#), "{name}: {nothing:?}");
        owners.extend(operation.finds.then_some((name, operation, nothing)));
    }
    // Their owner's requests change what they name.
    for (name, operation, nothing) in owners {
        let ask = |token: &str, tried: &Names, own: &Names| {
            let text = filled(operation.text, tried, own);
            transport.ask(&world.app, token.to_owned(), text)
        };
        finds(world, &name, &nothing, ask).await;
    }
    world.app.assert_verified().await;
}

backends! {
    async fn by_http_what_is_anothers_is_not_there(backend: Backend) {
        each_operation(&World::of(&backend).await, Transport::Post).await;
    }

    async fn by_url_what_is_anothers_is_not_there(backend: Backend) {
        each_operation(&World::of(&backend).await, Transport::Get).await;
    }

    async fn by_event_stream_what_is_anothers_is_not_there(backend: Backend) {
        each_operation(&World::of(&backend).await, Transport::Stream).await;
    }

    async fn by_socket_what_is_anothers_is_not_there(backend: Backend) {
        each_operation(&World::of(&backend).await, Transport::Socket).await;
    }

    async fn by_rest_what_is_anothers_is_not_there(backend: Backend) {
        let world = World::of(&backend).await;
        let mut owners = Vec::new();
        for request in REQUESTS {
            let name = format!("{} {} {}", request.route, request.path, request.body);
            let ask = |token: &str, tried: &Names, own: &Names| {
                Filled::of(request, |text| filled(text, tried, own)).ask(&world.app, token.to_owned())
            };
            let nothing = compare(&world, &name, request.starts, ask).await;
            owners.extend(request.finds.then_some((name, request, nothing)));
        }
        for (name, request, nothing) in owners {
            let ask = |token: &str, tried: &Names, own: &Names| {
                Filled::of(request, |text| filled(text, tried, own)).ask(&world.app, token.to_owned())
            };
            finds(&world, &name, &nothing, ask).await;
        }
        world.app.assert_verified().await;
    }

    async fn signed_links_open_what_is_their_tenants_alone(backend: Backend) {
        let world = World::of(&backend).await;
        let (acme, globex) = (&world.acme.names, &world.globex.names);
        // A link that is made for another object, or for another tenant, is none.
        let own = &globex["upload link"];
        let with = |id: &str| own.replace(&globex["upload"], id);
        let foreign = answers::put(&world.app, &with(&acme["upload"])).await;
        let nothing = answers::put(&world.app, &with(&world.absent["upload"])).await;
        assert_eq!(foreign.masked(acme), nothing.masked(&world.absent));
        // With a signature that is good the content of another tenant is absent, although its digest is known.
        let app = &world.app;
        let owner = app.principal_of("acme").scope();
        let artifact = acme["artifact"].parse().unwrap();
        let artifact = app.services().artifacts.find(&owner, artifact).await.unwrap().unwrap();
        let link = async |digest: &str| {
            let form = Materialization { digest: digest.to_owned(), ..form_of(acme) };
            let shown = Shown { artifact: &artifact, form: &form };
            let principal = app.principal_of("initech");
            app.services().uploads.download_url(&principal, shown).await.unwrap().unwrap()
        };
        let (of_acme, of_nobody) = (link(&acme["digest"]).await, link(&world.absent["digest"]).await);
        let foreign = told(&world, acme, answers::get(app, &of_acme)).await;
        let nothing = told(&world, &world.absent, answers::get(app, &of_nobody)).await;
        assert_eq!((foreign.0.status, &foreign), (404, &nothing));
    }

    async fn what_a_handler_is_given_of_another_tenant_is_not_there(backend: Backend) {
        let world = World::of(&backend).await;
        for (intent_type, parameters) in [
            ("parse_content", json!({"artifact_id": "<artifact>"})),
            ("parse_content", json!({"file_id": "<artifact>"})),
            ("get_parsed_file", json!({"artifact_id": "<parsed>"})),
            ("create_deterministic_embeddings", json!({"artifact_id": "<parsed>"})),
            ("save_materialization", json!({"artifact_id": "<artifact>"})),
            ("ingest_file", json!({"filename": "a.csv", "upload_id": "<arrived>"})),
            ("ingest_file", json!({"filename": "a.csv", "upload_id": "<upload>"})),
        ] {
            let mut outcomes = Vec::new();
            for names in [&world.acme.names, &world.absent] {
                let text = filled(&parameters.to_string(), names, &world.globex.names);
                outcomes.push(answers::outcome(&world, intent_type, &text).await.masked(names));
            }
            assert_eq!(outcomes[0], outcomes[1], "{intent_type} {parameters}");
        }
    }

    async fn the_same_content_has_other_ids_in_another_tenant(backend: Backend) {
        let world = World::of(&backend).await;
        let (acme, globex) = (&world.acme.names, &world.globex.names);
        assert_eq!(acme["digest"], globex["digest"]);
        for kind in ["artifact", "parsed", "materialization", "execution", "event"] {
            assert_ne!(acme[kind], globex[kind], "{kind}");
        }
        // What one tenant deletes stays with the other.
        let delete = format!(
            "mutation {{ deleteArtifact(input: {{artifactId: \"{}\", includeDescendants: true}}) {{ errors {{ code }} }} }}",
            acme["artifact"]
        );
        let deleted = Transport::Post.ask(&world.app, world.acme.token.clone(), delete).await;
        assert!(deleted.body.contains(r#""errors":[]"#), "{deleted:?}");
        let read = format!("{{ artifact(id: \"{}\") {{ lifecycleState materializations {{ downloadUrl }} }} }}", globex["artifact"]);
        let read = Transport::Post.ask(&world.app, world.globex.token.clone(), read).await;
        assert!(read.body.contains("READY"), "{read:?}");
        let read: Value = serde_json::from_str(&read.body).unwrap();
        let link = read.pointer("/data/artifact/materializations/0/downloadUrl").unwrap();
        let content = answers::get(&world.app, link.as_str().unwrap()).await;
        assert_eq!((content.status, content.body.as_str()), (200, world::CONTENT));
    }

    async fn feeds_hold_nothing_of_anothers(backend: Backend) {
        let world = World::of(&backend).await;
        let bearer = format!("Bearer {}", world.globex.token);
        let mut socket = Socket::open(world.app.server.address(), &json!({"authorization": bearer})).await.unwrap();
        let feed = |session: &str| format!("subscription {{ tenantEvents(filter: {{sessionId: \"{session}\"}}) {{ events {{ type }} }} }}");
        for (id, session) in [("1", &world.acme.names), ("2", &world.absent), ("3", &world.globex.names)] {
            socket.subscribe(id, &feed(&session["session"]), &json!({})).await.unwrap();
        }
        // The third one began after the others, and is the only one that says anything.
        let Received::Message(first) = socket.receive().await.unwrap() else { panic!("closed") };
        assert_eq!((&first["id"], &first["type"]), (&json!("3"), &json!("next")), "{first}");
    }

    async fn changes_of_lists_hold_nothing_of_anothers(backend: Backend) {
        let world = World::of(&backend).await;
        let bearer = format!("Bearer {}", world.globex.token);
        let init = json!({"authorization": bearer});
        // A repetition of what globex has, which its owner is told of.
        let rerun = filled(
            r#"mutation { rerunExecution(input: {executionId: "<own execution>"}) { execution { id } } }"#,
            &world.globex.names,
            &world.globex.names,
        );
        let rerun = Transport::Post.ask(&world.app, world.globex.token.clone(), rerun).await;
        assert!(rerun.body.contains("exe_"), "{rerun:?}");
        for filter in [
            r#"sessionId: "<session>""#,
            r#"idempotencyKey: "<idempotency>""#,
            r#"metadata: [{key: "user", value: "<user>"}]"#,
            r#"rerunOf: "<execution>""#,
        ] {
            let mut socket = Socket::open(world.app.server.address(), &init).await.unwrap();
            let tried = [("1", &world.acme.names), ("2", &world.absent), ("3", &world.globex.names)];
            for (id, names) in tried {
                let text = format!(
                    "subscription {{ executionChanges(filter: {{{filter}}}, after: \"<own cursor>\", everyMs: 100) {{ executions {{ id }} leftIds overflowed }} }}"
                );
                let text = filled(&text, names, &world.globex.names);
                socket.subscribe(id, &text, &json!({})).await.unwrap();
            }
            let Received::Message(first) = socket.receive().await.unwrap() else { panic!("closed") };
            assert_eq!((&first["id"], &first["type"]), (&json!("3"), &json!("next")), "{filter}: {first}");
            assert!(first.to_string().contains("exe_"), "{filter}: {first}");
        }
    }
}

/// The stored form of an artifact, of which the digest counts.
fn form_of(names: &Names) -> Materialization {
    Materialization {
        id: names["materialization"].parse().unwrap(),
        artifact_id: names["artifact"].parse().unwrap(),
        storage_type: "content".into(),
        uri: format!("content://{}", names["digest"]),
        format: "csv".into(),
        compression: None,
        size_bytes: 1,
        digest: names["digest"].clone(),
        created_at: 0,
    }
}
