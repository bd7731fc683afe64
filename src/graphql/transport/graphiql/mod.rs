//! The page `/graphiql`: GraphiQL as the build embedded it, or from a CDN where npm was missing.
//!
//! No script of the page is inline, and its policy lets it talk to nobody but this server, the issuers where people
//! log in (and, for its code only, the CDN), so what is pasted into it stays here.

mod files;
mod login;

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
    response::{IntoResponse, Response},
    routing::get,
};
use files::{FILES, File, SOURCES, Source};

pub use self::login::PageLogin;
use crate::auth::Mode;

/// The page and its files.
pub(super) fn routes<S: Clone + Send + Sync + 'static>(
    mode: Mode,
    logins: &[PageLogin],
) -> Router<S> {
    let page = Page::new(is_embedded(), mode, logins);
    Router::new()
        .route("/graphiql", get(async move || page.answer()))
        .route("/graphiql/assets/{name}", get(asset))
}

/// The page as it is served.
#[derive(Debug, Clone)]
struct Page {
    html: String,
    policy: String,
}

/// Returns whether the build has embedded the files of the page.
fn is_embedded() -> bool {
    FILES.iter().any(|file| file.name == "graphiql.js")
}

/// The content security policy of the page: what it may load and connect to. Its styles are files, too, but the editor that
/// GraphiQL stands on places its lines by style attributes.
fn policy(is_embedded: bool, logins: &[PageLogin]) -> String {
    let code = if is_embedded {
        "'self'"
    } else {
        "'self' https://unpkg.com"
    };
    let issuers = logins.iter().map(|login| format!(" {}", login.origin));
    let issuers: String = issuers.collect();
    format!(
        "default-src 'none'; script-src {code}; style-src {code} 'unsafe-inline'; \
         img-src 'self' data:; font-src {code} data:; connect-src 'self'{issuers}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

impl Page {
    fn new(is_embedded: bool, mode: Mode, logins: &[PageLogin]) -> Self {
        // What logs people in is among the files that are embedded.
        let asked = if is_embedded { logins } else { &[] };
        Self {
            html: html(is_embedded, mode, logins),
            policy: policy(is_embedded, asked),
        }
    }

    fn answer(&self) -> Response {
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
            (CONTENT_SECURITY_POLICY, self.policy.clone()),
            (CACHE_CONTROL, "no-cache".to_owned()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (REFERRER_POLICY, "no-referrer".to_owned()),
        ];
        (headers, self.html.clone()).into_response()
    }
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

/// What the page is told, for its scripts: attributes of the document.
fn settings(mode: Mode, logins: &[PageLogin]) -> String {
    let tour = format!(" data-tour=\"{}\"", own("tour.graphql"));
    if mode == Mode::Development {
        return tour;
    }
    format!(
        "{tour} data-proof=\"required\" data-logins=\"{}\" data-oauth=\"{}\"",
        login::listed(logins),
        own("oauth.js"),
    )
}

fn html(is_embedded: bool, mode: Mode, logins: &[PageLogin]) -> String {
    let sources = SOURCES.iter().map(|source| reference(source, is_embedded));
    let sources: Vec<String> = sources.collect();
    let scripts = ["login.js", "caller.js", "page.js"].map(|name| tag(&own(name), ""));
    let notice = if is_embedded {
        ""
    } else {
        "<p id=\"notice\">This server was built without npm: GraphiQL comes from unpkg.com.</p>"
    };
    [
        "<!doctype html><html lang=\"en\"",
        &settings(mode, logins),
        "><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Takeoff: GraphiQL</title><link rel=\"icon\" href=\"data:,\">",
        &tag(&own("page.css"), ""),
        &sources.concat(),
        &scripts.concat(),
        "</head><body>",
        notice,
        "<div id=\"caller\"></div><div id=\"graphiql\"></div></body></html>",
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
    // A worker that the page starts goes by the policy of its own file.
    let policy = [(CONTENT_SECURITY_POLICY, policy(true, &[]))];
    (headers, policy, file.body).into_response()
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use base64::{Engine, engine::general_purpose::STANDARD};
    use sha2::{Digest, Sha384};
    use tower::ServiceExt;

    use super::*;

    async fn get_from(path: &str) -> Response {
        get_in(Mode::Development, &[], path).await
    }

    async fn get_in(mode: Mode, logins: &[PageLogin], path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let routes = routes::<()>(mode, logins);
        routes.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn the_policy_of_the_page_is_closed() {
        let page = get_from("/graphiql").await;
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"));
        assert!(!policy.contains("script-src 'self' 'unsafe"));
    }

    #[tokio::test]
    async fn the_page_may_ask_the_issuers_that_it_is_told_of_and_no_others() {
        let login = |issuer: &str, origin: &str| PageLogin {
            issuer: issuer.to_owned(),
            origin: origin.to_owned(),
            client_id: "a \"page\" & <more>".to_owned(),
            scope: "openid".to_owned(),
            audience: None,
        };
        let logins = [
            login("https://one.example/realm", "https://one.example"),
            login("http://127.0.0.1:99", "http://127.0.0.1:99"),
        ];
        let page = get_in(Mode::Required, &logins, "/graphiql").await;
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(
            policy.contains("; connect-src 'self' https://one.example http://127.0.0.1:99; "),
            "{policy}"
        );
        let body = axum::body::to_bytes(page.into_body(), 1 << 16).await;
        let html = String::from_utf8(body.unwrap().to_vec()).unwrap();
        assert!(html.contains(" data-proof=\"required\""));
        assert!(
            html.contains(
                "{&quot;issuer&quot;:&quot;https://one.example/realm&quot;,\
             &quot;clientId&quot;:&quot;a \\&quot;page\\&quot; &amp; &lt;more&gt;&quot;,\
             &quot;scope&quot;:&quot;openid&quot;,&quot;audience&quot;:null}"
            ),
            "{html}"
        );
        let page = get_from("/graphiql").await;
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.contains("; connect-src 'self'; "), "{policy}");
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
            let html = html(is_embedded, Mode::Required, &[]);
            assert_eq!(html.matches("<script defer src=").count(), 8);
            assert_eq!(html.matches("<script").count(), 8);
            assert_eq!(html.contains("https://"), !is_embedded);
        }
        let html = html(false, Mode::Development, &[]);
        assert_eq!(html.matches(" integrity=\"sha384-").count(), SOURCES.len());
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
