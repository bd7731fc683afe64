//! The files of certificate and key: refused at the start if they cannot be used, read again when they change.

use axum::http::Method;
use h2::client::Builder;
use takeoff::app::App;

use super::{http2, request, send, start, text};
use crate::support::{
    Backend, TestApp, config,
    tls::{self, ONE, Pair, TWO},
};

/// Waits until new connections are shown the certificate of this pair.
async fn is_shown(app: &TestApp, pair: Pair) {
    app.until(|| async {
        let stream = tls::connect(app.server.address(), &[]).await;
        (tls::shown(&stream) == pair.der()).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_served_without_a_restart_and_open_connections_go_on() {
    let backend = Backend::sqlite();
    let app = start(&backend, &[]).await;
    let address = app.server.address();
    is_shown(&app, ONE).await;
    let mut open = http2(address, &Builder::new()).await;
    tls::settings(&backend, TWO);
    is_shown(&app, TWO).await;
    let answer = send(&mut open, request(Method::GET, address, "/health"), None).await;
    assert!(text(answer.unwrap()).await.unwrap().contains("ok"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_cannot_be_used_refuse_the_start_and_say_what_to_do() {
    let backend = Backend::sqlite();
    let [certificate, key] = tls::files(&backend);
    let encrypted = Pair {
        key: "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
        ..ONE
    };
    let of_another = Pair {
        key: TWO.key,
        ..ONE
    };
    let exchanged = Pair {
        certificate: ONE.key,
        key: ONE.certificate,
    };
    let text = Pair {
        certificate: "certificate",
        key: "key",
    };
    for (pair, named) in [
        (encrypted, "http.tls_key holds no key that is not encrypted"),
        (of_another, "cannot be used together"),
        (exchanged, "http.tls_certificate holds no certificate"),
        (text, "http.tls_certificate holds no certificate"),
    ] {
        let set = tls::settings(&backend, pair);
        let said = refusal(&backend, &set).await;
        assert!(said.contains(named), "no {named} in: {said}");
        assert!(said.contains("must name a PEM file"), "{said}");
    }
    let set = tls::settings(&backend, ONE);
    std::fs::remove_file(&key).unwrap();
    let said = refusal(&backend, &set).await;
    assert!(said.contains("tls.key cannot be read"), "{said}");
    std::fs::remove_file(&certificate).unwrap();
    let said = refusal(&backend, &set).await;
    assert!(said.contains("tls.crt cannot be read"), "{said}");
}

async fn refusal(backend: &Backend, set: &[String; 2]) -> String {
    let set = set.each_ref().map(String::as_str);
    match App::new(config(backend, &set)).listen().await {
        Ok(_) => panic!("it started"),
        Err(error) => format!("{error:#}"),
    }
}
