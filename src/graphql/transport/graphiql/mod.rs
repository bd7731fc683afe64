//! The page `/graphiql`: GraphiQL as the build embedded it, or from a CDN where npm was missing.
//!
//! No script of the page is inline, and its policy lets it talk to nobody but this server (and, for
//! its code only, to the CDN), so what is pasted into it stays here.

mod files;

use axum::{
    Router,
    extract::Path,
    http::{
        HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use files::{FILES, File, SOURCES, Source};

/// The page, its files, and the way to it.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async || Redirect::temporary("/graphiql")))
        .route("/graphiql", get(page))
        .route("/graphiql/assets/{name}", get(asset))
}

/// Returns whether the build has embedded the files of the page.
fn is_embedded() -> bool {
    FILES.iter().any(|file| file.name == "graphiql.js")
}

/// The content security policy of the page: what it may load and connect to. Its styles are files, too, but the editor that
/// GraphiQL stands on places its lines by style attributes.
fn policy(is_embedded: bool) -> String {
    let code = if is_embedded {
        "'self'"
    } else {
        "'self' https://unpkg.com"
    };
    format!(
        "default-src 'none'; script-src {code}; style-src {code} 'unsafe-inline'; \
         img-src 'self' data:; font-src {code} data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

async fn page() -> Response {
    let is_embedded = is_embedded();
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, policy(is_embedded)),
        (CACHE_CONTROL, "no-cache".to_owned()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, html(is_embedded)).into_response()
}

/// The address of a file; it changes with what is in the file.
fn address(file: &File) -> String {
    format!("/graphiql/assets/{}-{}", file.hash, file.name)
}

fn own(name: &str) -> String {
    let file = FILES.iter().find(|file| file.name == name);
    file.map(address).unwrap_or_default()
}

/// The element by which the page loads one of the packages' files.
fn reference(source: &Source, is_embedded: bool) -> String {
    let (url, more) = if is_embedded {
        (own(source.name), String::new())
    } else {
        let checked = format!(
            " integrity=\"{}\" crossorigin=\"anonymous\"",
            source.integrity
        );
        (source.url.to_owned(), checked)
    };
    tag(&url, &more)
}

fn tag(url: &str, more: &str) -> String {
    if std::path::Path::new(url)
        .extension()
        .is_some_and(|kind| kind == "css")
    {
        format!("<link rel=\"stylesheet\" href=\"{url}\"{more}>")
    } else {
        format!("<script defer src=\"{url}\"{more}></script>")
    }
}

fn html(is_embedded: bool) -> String {
    let sources = SOURCES.iter().map(|source| reference(source, is_embedded));
    let sources: Vec<String> = sources.collect();
    let notice = if is_embedded {
        ""
    } else {
        "<p id=\"notice\">This server was built without npm: GraphiQL comes from unpkg.com.</p>"
    };
    [
        "<!doctype html><html lang=\"en\" data-tour=\"",
        &own("tour.graphql"),
        "\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Takeoff: GraphiQL</title><link rel=\"icon\" href=\"data:,\">",
        &tag(&own("page.css"), ""),
        &sources.concat(),
        &tag(&own("page.js"), ""),
        "</head><body>",
        notice,
        "<div id=\"graphiql\"></div></body></html>",
    ]
    .concat()
}

async fn asset(Path(name): Path<String>) -> Response {
    let found = name.split_once('-').and_then(|(hash, name)| {
        let mut files = FILES.iter();
        files.find(|file| file.hash == hash && file.name == name)
    });
    let Some(file) = found else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let kind = match file.name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "text/plain; charset=utf-8",
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, file.body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use base64::{Engine, engine::general_purpose::STANDARD};
    use sha2::{Digest, Sha384};
    use tower::ServiceExt;

    use super::*;

    async fn get_from(path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        routes::<()>().oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn the_root_leads_to_the_page_and_its_policy_is_closed() {
        let root = get_from("/").await;
        assert_eq!(root.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(root.headers()["location"], "/graphiql");
        let page = get_from("/graphiql").await;
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"));
        assert!(!policy.contains("script-src 'self' 'unsafe"));
    }

    #[tokio::test]
    async fn files_are_kept_for_ever_by_their_hash_and_others_are_not_there() {
        for file in FILES {
            let found = get_from(&address(file)).await;
            assert_eq!(found.status(), 200, "{}", file.name);
            let header = |name| found.headers()[name].to_str().unwrap();
            assert!(header(CACHE_CONTROL).contains("immutable"));
            assert_eq!(header(X_CONTENT_TYPE_OPTIONS), "nosniff");
            let kind = match file.name.rsplit('.').next().unwrap() {
                "js" => "text/javascript",
                "css" => "text/css",
                _ => "text/plain",
            };
            assert!(header(CONTENT_TYPE).starts_with(kind), "{}", file.name);
        }
        for path in ["x", "0-page.js", "page.js", "..%2fCargo.toml"] {
            let absent = get_from(&format!("/graphiql/assets/{path}")).await;
            assert_eq!(absent.status(), 404, "{path}");
        }
    }

    #[test]
    fn both_forms_of_the_page_load_everything_and_nothing_inline() {
        for is_embedded in [true, false] {
            let html = html(is_embedded);
            assert_eq!(html.matches("<script defer src=").count(), 6);
            assert_eq!(html.matches("<script").count(), 6);
            assert_eq!(html.contains("https://"), !is_embedded);
        }
        assert_eq!(
            html(false).matches(" integrity=\"sha384-").count(),
            SOURCES.len()
        );
    }

    /// Sources on the CDN are those that the lock file names.
    #[test]
    fn the_hashes_are_those_of_the_files_that_npm_installs() {
        for source in SOURCES {
            if let Some(file) = FILES.iter().find(|file| file.name == source.name) {
                let hash = STANDARD.encode(Sha384::digest(file.body));
                assert_eq!(
                    source.integrity,
                    format!("sha384-{hash}"),
                    "{}",
                    source.name
                );
            }
        }
        let lock = include_str!("../../../../web/graphiql/package-lock.json");
        let lock: serde_json::Value = serde_json::from_str(lock).unwrap();
        for source in SOURCES {
            let path = source.url.strip_prefix("https://unpkg.com/").unwrap();
            let at = path.rfind('@').unwrap();
            let (package, rest) = (&path[..at], &path[at + 1..]);
            let version = rest.split('/').next().unwrap();
            let locked = &lock["packages"][format!("node_modules/{package}")]["version"];
            assert_eq!(locked, version, "{package}");
        }
    }
}
