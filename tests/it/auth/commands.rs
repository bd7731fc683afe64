//! The command line: the first key, and a client that has one.

use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use takeoff::{app::App, clock::Clock};

use super::{
    VIEWER, by, guarded,
    issuer::{Issuer, Key},
};
use crate::support::{Backend, NodeProcess, Received, Socket, TestApp, config};

fn takeoff(backend: &Backend, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takeoff"));
    command
        .env_clear()
        .current_dir(backend.folder.path())
        .env("TAKEOFF_DATA_DIR", backend.folder.path())
        .env("TAKEOFF_DATABASE_URL", backend.url())
        .args(arguments)
        .stdin(Stdio::null());
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

async fn done(backend: &Backend, arguments: &[&str]) -> String {
    let output = run(takeoff(backend, arguments)).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The exit code of a client, and what it says.
async fn client(
    app: &TestApp,
    backend: &Backend,
    token: Option<&str>,
    arguments: &[&str],
) -> (i32, String) {
    let mut command = takeoff(backend, arguments);
    command.env("TAKEOFF_URL", app.url(""));
    if let Some(token) = token {
        command.env("TAKEOFF_TOKEN", token);
    }
    let output = run(command).await;
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_key_is_made_on_the_machine_with_the_database() {
    let backend = Backend::sqlite();
    // Before the server has ever run.
    let first = done(&backend, &["keys", "create", "--admin", "--label", "first"]).await;
    let app = guarded(&backend).await;
    by(&app, first.trim(), VIEWER, Value::Null).await;
    // And while it runs.
    let more = [
        "keys",
        "create",
        "--tenant",
        "acme",
        "--role",
        "viewer",
        "--scope",
        "log:read",
        "--expires",
        "30d",
        "--json",
    ];
    let more: Value = serde_json::from_str(&done(&backend, &more).await).unwrap();
    let token = more["token"].as_str().unwrap();
    assert_eq!(
        by(&app, token, VIEWER, Value::Null).await["data"]["viewer"]["tenantId"],
        "acme"
    );

    let listed = done(&backend, &["keys", "list"]).await;
    assert!(
        listed.contains("ACTIVE") && listed.contains("admin") && listed.contains("first"),
        "{listed}"
    );
    let id = more["id"].as_str().unwrap();
    let revoked = done(&backend, &["keys", "revoke", id, "--tenant", "acme"]).await;
    assert!(revoked.contains("REVOKED"), "{revoked}");
    let bearer = format!("Bearer {token}");
    app.until(|| async {
        let (status, _) =
            super::ask(&app, &[("authorization", &bearer)], VIEWER, &Value::Null).await;
        (status == 401).then_some(())
    })
    .await;
    app.assert_verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_proves_who_it_is_by_its_token_and_shows_it_to_nobody() {
    let backend = Backend::sqlite();
    let app = guarded(&backend).await;
    let token = super::token(&app, "developer").await;
    let submit = [
        "submit", "add", "--param", "a=1", "--param", "b=2", "--watch",
    ];
    let (code, said) = client(&app, &backend, None, &submit).await;
    assert_eq!(code, 2);
    assert!(said.contains("UNAUTHENTICATED"), "{said}");
    let (code, said) = client(&app, &backend, Some(&token), &submit).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("execution.completed"), "{said}");
    let (code, said) = client(&app, &backend, Some("tk_nothing"), &submit).await;
    assert!(code == 2 && !said.contains("tk_nothing"), "{said}");
    for shown in [&["config"][..], &["submit", "--help"]] {
        let (_, said) = client(&app, &backend, Some(&token), shown).await;
        assert!(!said.contains(&token[20..]), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_a_key_is_refused_by_the_command() {
    let backend = Backend::sqlite();
    for (arguments, word) in [
        (&["keys", "create"][..], "role"),
        (&["keys", "create", "--role", "king"], "no such role"),
        (&["keys", "create", "--scope", "fly"], "scope"),
        (
            &["keys", "create", "--admin", "--expires", "soon"],
            "expected a time",
        ),
        (&["keys", "create", "--admin", "--tenant", "../x"], "tenant"),
        (
            &["keys", "revoke", "key_01m8j2gztx80s9dsh9amr3byj4"],
            "not found",
        ),
        (
            &["keys", "revoke", "exe_01m8j2gztx80s9dsh9amr3byj4"],
            "key_",
        ),
    ] {
        let output = run(takeoff(&backend, arguments)).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_nobody_could_call_does_not_start_and_says_what_to_do() {
    let backend = Backend::sqlite();
    let mut serve = takeoff(&backend, &["serve"]);
    serve.env("TAKEOFF_AUTH_MODE", "required");
    serve.env("TAKEOFF_HTTP_BIND", "127.0.0.1:0");
    let output = run(serve).await;
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("takeoff keys create --admin"), "{said}");
    done(&backend, &["keys", "create", "--admin"]).await;
    let node = NodeProcess::start(&backend, &["auth.mode=required"]).await;
    let asked = crate::support::http()
        .get(format!("http://{}/ready", node.address))
        .send()
        .await;
    assert_eq!(asked.unwrap().status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_far_from_the_databases_refuses_the_start() {
    let backend = Backend::sqlite();
    for seconds in [-31, 31] {
        let clock = Clock::System.now() + seconds * 1_000_000;
        let app = App::new(config(&backend, &[])).clock(Clock::manual(clock));
        let said = format!("{:#}", app.serve().await.unwrap_err());
        assert!(said.contains("are 3") && said.contains("s apart"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_in_the_log() {
    let backend = Backend::sqlite();
    let key = done(&backend, &["keys", "create", "--role", "developer"]).await;
    let key = key.trim();
    let node = NodeProcess::start(&backend, &["auth.mode=required", "telemetry.log=trace"]).await;
    let swapped = format!("{}{}", &key[..key.len() - 4], "aaaa");
    let url = format!(
        "http://{}/graphql?query=%7Bviewer%7BtenantId%7D%7D",
        node.address
    );
    for (token, expected) in [(key, 200), (&swapped, 401)] {
        let asked = crate::support::http()
            .get(&url)
            .bearer_auth(token)
            .send()
            .await;
        assert_eq!(asked.unwrap().status().as_u16(), expected);
    }
    let payload = serde_json::json!({"authorization": format!("Bearer {key}")});
    let mut socket = Socket::open(node.address, &payload).await.unwrap();
    assert!(matches!(
        socket.receive_any().await.unwrap(),
        Received::Message(_)
    ));
    let log = node.log();
    assert!(
        log.contains("its secret is another one"),
        "the reason is not in the log"
    );
    assert!(
        !log.contains(&key[20..]) && !log.contains(&swapped[20..]),
        "a secret is in the log"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_keeps_a_token_for_one_server_and_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let backend = Backend::sqlite();
    let issuer = Issuer::start(&[Key::Ec]).await;
    let settings = ["auth.mode=required".to_owned(), issuer.setting(json!({}))];
    let app = TestApp::start_with(&backend, &settings.each_ref().map(String::as_str)).await;
    let home = backend.folder.path().join("home");
    let at_home = |server: String, arguments: &[&str]| {
        let mut command = takeoff(&backend, arguments);
        command.env("HOME", &home).env("TAKEOFF_URL", server);
        run(command)
    };
    let login = [
        "login",
        "--issuer",
        issuer.url.as_str(),
        "--client-id",
        "cli",
        "--audience",
        "takeoff",
        "--scope",
        "openid",
    ];
    let output = at_home(app.url("/"), &login).await;
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said} {:?}", output.stderr);
    assert!(
        said.contains("WDJB-MJHT") && said.contains("/here"),
        "{said}"
    );
    let file = home.join(".config/takeoff/tokens.json");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let list = ["executions", "--json"];
    assert!(at_home(app.url(""), &list).await.status.success());
    // Another server gets none.
    let elsewhere = Backend::sqlite();
    let other = guarded(&elsewhere).await;
    let refused = at_home(other.url(""), &list).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("UNAUTHENTICATED"));
    assert!(at_home(app.url(""), &["logout"]).await.status.success());
    let refused = at_home(app.url(""), &list).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("UNAUTHENTICATED"));
}
