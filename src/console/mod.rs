//! The console at `/console`: an application for the browser that the build embedded. It talks to the public API alone.
//!
//! Its policy permits no code and no style that is not a file of the server's, and no other server. The page finds all
//! else by addresses relative to its own, so that it works below whatever path a proxy puts the server.

mod files;
mod login;
mod session;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Path, Request},
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use files::{CONSOLE, File};

use crate::{
    api::Port,
    auth::{Authenticator, Mode},
};

/// Where the page takes what the server tells it.
const PLACE: &str = "<!--server-->";
/// The pages that may be shown within others.
const EMBEDDED: &str = "/console/embed/";
const HTML: &str = "text/html; charset=utf-8";
const MISSING: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
    <meta name=\"viewport\" content=\"width=device-width\"><title>Takeoff: no console</title></head><body>\
    <h1>This server was built without its console</h1>\
    <p>npm was missing when it was built, or failed; the build has said why. With Node.js 20.19 or newer and npm, \
    <code>cargo clean -p takeoff</code> and another build put the console in. The API and \
    <a href=\"graphiql\">GraphiQL</a> are served all the same.</p></body></html>";

/// The console, its files, and the way to it from the root. None where a browser that opens a page could not prove who
/// it is.
pub fn routes(port: Port, authenticator: &Authenticator, frame_ancestors: &[String]) -> Router {
    let logins = login::listed(&authenticator.logins());
    let pages = pages(port, authenticator.mode(), frame_ancestors, &logins);
    match authenticator.mode() {
        Mode::Required if port.has_pages(Mode::Required) => pages
            .merge(session::routes(authenticator))
            .merge(login::routes(authenticator)),
        _ => pages,
    }
}

fn pages(port: Port, mode: Mode, frame_ancestors: &[String], logins: &str) -> Router {
    if !port.has_pages(mode) {
        return Router::new();
    }
    let ancestors: Arc<str> = frame_ancestors.join(" ").into();
    let logins: Arc<str> = logins.into();
    let page = move |request: Request| {
        let (ancestors, logins) = (Arc::clone(&ancestors), Arc::clone(&logins));
        async move { page(mode, request.uri().path(), &ancestors, &logins) }
    };
    Router::new()
        .route("/", get(root))
        .route("/console", get(page.clone()))
        .route("/console/", get(page.clone()))
        .route("/console/{*path}", get(page))
        .route("/console/assets/{name}", get(asset))
}

/// Leads to the page that is there; the address is relative to that of the root.
async fn root() -> Response {
    let page = if CONSOLE.page.is_some() {
        "console"
    } else {
        "graphiql"
    };
    let headers = [(LOCATION, page), (CACHE_CONTROL, "no-cache")];
    (StatusCode::TEMPORARY_REDIRECT, headers).into_response()
}

/// The page at a path of the console, with a nonce of its own. Pages of these origins may show it in a frame if it is
/// one to be embedded.
fn page(mode: Mode, path: &str, ancestors: &str, logins: &str) -> Response {
    let Some(page) = CONSOLE.page else {
        let headers = [(CONTENT_TYPE, HTML), (CACHE_CONTROL, "no-cache")];
        return (headers, MISSING).into_response();
    };
    let nonce = nonce();
    let proof = match mode {
        Mode::Development => "none",
        Mode::Required => "required",
    };
    let told = format!(
        "<base href=\"{}\"><meta property=\"csp-nonce\" nonce=\"{nonce}\">\
         <meta name=\"takeoff:proof\" content=\"{proof}\">\
         <meta name=\"takeoff:logins\" content=\"{logins}\">\
         <meta name=\"takeoff:version\" content=\"{}\">",
        base_of(path),
        env!("CARGO_PKG_VERSION"),
    );
    let headers = [
        (CONTENT_TYPE, HTML.to_owned()),
        (
            CONTENT_SECURITY_POLICY,
            policy(&nonce, ancestors_of(path, ancestors)),
        ),
        (CACHE_CONTROL, "no-cache".to_owned()),
    ];
    (headers, page.replacen(PLACE, &told, 1)).into_response()
}

/// The folder of the console as seen from one of its paths.
fn base_of(path: &str) -> String {
    match path.strip_prefix("/console/") {
        None => "console/".to_owned(),
        Some(below) => match below.matches('/').count() {
            0 => "./".to_owned(),
            depth => "../".repeat(depth),
        },
    }
}

/// The origins whose pages may show the page at a path in a frame.
fn ancestors_of<'a>(path: &str, configured: &'a str) -> &'a str {
    if configured.is_empty() || !path.starts_with(EMBEDDED) {
        return "'none'";
    }
    configured
}

/// What the page may load and connect to. The nonce is for the styles that the library of its controls adds.
fn policy(nonce: &str, ancestors: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; \
         font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'self'; form-action 'self'; \
         frame-ancestors {ancestors}"
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing depends on what it is but that nobody can guess it"
)]
fn nonce() -> String {
    format!("{:032x}", rand::random::<u128>())
}

async fn asset(Path(name): Path<String>, request: HeaderMap) -> Response {
    let Some(file) = File::find(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (CONTENT_TYPE, file.kind()),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        // A worker goes by the policy of its own file.
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'",
        ),
    ];
    (headers, file.body_for(&request)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    async fn get_from(mode: Mode, path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        pages(
            Port::Operations,
            mode,
            &[
                "https://a.example".to_owned(),
                "https://b.example".to_owned(),
            ],
            "",
        )
        .oneshot(request)
        .await
        .unwrap()
    }

    async fn text(answer: Response) -> String {
        let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await;
        String::from_utf8(body.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn the_root_leads_to_the_page_that_is_there_by_a_relative_address() {
        let root = get_from(Mode::Development, "/").await;
        assert_eq!(root.status(), StatusCode::TEMPORARY_REDIRECT);
        let target = if CONSOLE.page.is_some() {
            "console"
        } else {
            "graphiql"
        };
        assert_eq!(root.headers()[LOCATION], target);
    }

    #[tokio::test]
    async fn it_is_not_there_where_a_browser_cannot_prove_who_it_is() {
        for path in ["/", "/console", "/console/executions", "/console/assets/x"] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let routes = pages(Port::Main, Mode::Required, &[], "");
            assert_eq!(
                routes.oneshot(request).await.unwrap().status(),
                404,
                "{path}"
            );
        }
    }

    #[tokio::test]
    async fn each_answer_has_a_policy_with_a_nonce_of_its_own() {
        if CONSOLE.page.is_none() {
            return;
        }
        let mut nonces = vec![];
        for _ in 0..2 {
            let page = get_from(Mode::Required, "/console/executions?status=FAILED").await;
            assert_eq!(page.headers()[CACHE_CONTROL], "no-cache");
            let policy = page.headers()[CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .to_owned();
            assert!(!policy.contains("unsafe"), "{policy}");
            let (_, rest) = policy.split_once("'nonce-").unwrap();
            let nonce = rest.split('\'').next().unwrap().to_owned();
            let html = text(page).await;
            assert!(html.contains(&format!("nonce=\"{nonce}\"")), "{html}");
            assert!(
                html.contains("name=\"takeoff:proof\" content=\"required\""),
                "{html}"
            );
            assert!(!html.contains(PLACE) && !html.contains("<style"), "{html}");
            nonces.push(nonce);
        }
        assert_ne!(nonces[0], nonces[1]);
    }

    #[tokio::test]
    async fn pages_of_the_origins_that_are_named_may_show_what_is_to_be_embedded_and_nothing_else()
    {
        if CONSOLE.page.is_none() {
            return;
        }
        let ancestors_at = async |path: &str| {
            let page = get_from(Mode::Development, path).await;
            let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            policy.split_once("frame-ancestors ").unwrap().1.to_owned()
        };
        for path in [
            "/console/embed/execution/exe_1",
            "/console/embed/lineage/art_1",
        ] {
            assert_eq!(
                ancestors_at(path).await,
                "https://a.example https://b.example"
            );
        }
        for path in [
            "/console",
            "/console/embed",
            "/console/executions/embed/x",
            "/console/embedded/x",
        ] {
            assert_eq!(ancestors_at(path).await, "'none'", "{path}");
        }
        assert_eq!(ancestors_of("/console/embed/execution/exe_1", ""), "'none'");
    }

    #[test]
    fn every_path_finds_the_folder_of_the_console() {
        let address = url::Url::parse("https://a.example/x/y/").unwrap();
        for path in [
            "/console",
            "/console/",
            "/console/executions",
            "/console/executions/exe_1",
            "/console/types/a%2Fb/new",
            "/console/executions/",
        ] {
            let page = address.join(path.trim_start_matches('/')).unwrap();
            let base = page.join(&base_of(path)).unwrap();
            assert_eq!(base.as_str(), "https://a.example/x/y/console/", "{path}");
        }
    }

    #[tokio::test]
    async fn files_are_kept_for_ever_and_others_are_not_there() {
        for file in CONSOLE.files {
            let found =
                get_from(Mode::Development, &format!("/console/assets/{}", file.name)).await;
            assert_eq!(found.status(), 200, "{}", file.name);
            let header = |name| found.headers()[name].to_str().unwrap();
            assert!(header(CACHE_CONTROL).contains("immutable"));
            assert_eq!(header(CONTENT_TYPE), file.kind());
        }
        for name in ["x.js", "..%2findex.html", "index.html"] {
            let absent = get_from(Mode::Development, &format!("/console/assets/{name}")).await;
            assert_eq!(absent.status(), 404, "{name}");
        }
    }

    #[test]
    fn the_page_that_tells_of_a_missing_console_needs_nothing() {
        assert!(!MISSING.contains("<script") && !MISSING.contains("<style"));
    }
}
