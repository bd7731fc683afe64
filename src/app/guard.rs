//! Which requests are served at all, whatever they ask for.
//!
//! A page of another site can reach a server on this machine by a name of its own that resolves to
//! a loopback address. To the browser it is then the page's own server, and no rule of origins
//! protects it. So the server answers to its own names only, and to pages of its own or allowed
//! origins only, on every route.

use std::net::IpAddr;

use anyhow::Context as _;
use axum::{
    Json,
    body::Body,
    extract::Request,
    http::{
        HeaderMap, HeaderValue, Response, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY, RETRY_AFTER,
            STRICT_TRANSPORT_SECURITY, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
            X_FRAME_OPTIONS,
        },
        uri::Authority,
    },
    response::IntoResponse as _,
};
use serde_json::json;
use url::Url;

use crate::{
    api::{ApiError, Client, ErrorCode, Port, RequestId, TENANT_HEADER, declared_bytes, seconds},
    config::Http,
    uploads,
};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
/// What is no page loads nothing, and is shown in none.
const NO_PAGE: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");
/// For browsers that do not know `frame-ancestors`.
const DENY: HeaderValue = HeaderValue::from_static("DENY");
const A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");
const TENANT: HeaderValue = HeaderValue::from_static(TENANT_HEADER);

/// The host names that the server answers to.
#[derive(Clone)]
pub(super) struct Guard {
    /// Names besides those of the loopback interface.
    hosts: Vec<String>,
    /// Origins besides those of the server's own pages.
    origins: Vec<String>,
    /// The origin of the server's own pages as a proxy shows them.
    public_origin: Option<String>,
    /// The scheme of its pages under these names where TLS ends before the server.
    scheme: String,
    /// Paths that may be asked for by an address, or without a host.
    probes: &'static [&'static str],
    max_body_bytes: u64,
}

type Refused = (StatusCode, ApiError);

impl Guard {
    /// As the configuration says.
    ///
    /// # Errors
    /// When `http.public_url` is no URL with a host.
    pub(super) fn of(http: &Http) -> anyhow::Result<Self> {
        let mut hosts = http.allowed_hosts.list().to_vec();
        let mut origins = http.cors_origins.list().to_vec();
        let mut scheme = "http".to_owned();
        let mut public_origin = None;
        if let Some(url) = &http.public_url {
            let parsed = Url::parse(url.expose()).ok();
            let url = parsed.filter(Url::has_host);
            let url = url.context("http.public_url is not the address of a host")?;
            hosts.extend(url.host_str().map(str::to_ascii_lowercase));
            let origin = url.origin().ascii_serialization();
            origins.push(origin.clone());
            public_origin = Some(origin);
            url.scheme().clone_into(&mut scheme);
        }
        Ok(Self {
            hosts,
            origins,
            public_origin,
            scheme,
            probes: &[],
            max_body_bytes: http.max_body_bytes as u64,
        })
    }

    /// The guard of a port.
    pub(super) fn of_port(&self, port: Port) -> Self {
        let probes: &[&str] = match port {
            Port::Main => &["/health", "/ready"],
            Port::Operations => &["/health", "/ready", "/metrics"],
        };
        Self {
            probes,
            ..self.clone()
        }
    }

    /// The answer to a request that is not served; none for one that is.
    pub(super) fn refuse(&self, request: &Request, id: &RequestId) -> Option<Response<Body>> {
        let checked = self
            .host(request)
            .and_then(|host| self.check_origin(host, request))
            .and_then(|()| self.check_length(request));
        let refused = checked.err();
        refused.map(|(status, error)| shown(status, &error, Some(id)))
    }

    /// Whether a page of the server's own has made the request, as its origin says; none where it names no origin.
    pub(super) fn is_of_own_page(&self, request: &Request) -> Option<bool> {
        let mut origins = request.headers().get_all(ORIGIN).iter().peekable();
        origins.peek()?;
        let Ok(host) = self.host(request) else {
            return Some(false);
        };
        let scheme = self.scheme_of(host, request);
        let public = self.public_origin.as_deref();
        let is_own = origins.all(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            is_page_of(origin, scheme, host) || public.is_some_and(|one| is_same(one, origin))
        });
        Some(is_own)
    }

    /// The host that the request is for, as the header names it.
    fn host<'a>(&self, request: &'a Request) -> Result<&'a str, Refused> {
        let bad = |message| (StatusCode::BAD_REQUEST, ApiError::bad_input(message));
        let mut named = request.headers().get_all(HOST).iter();
        if let Some(host) = self.host_of_probe(request) {
            return Ok(host);
        }
        let (Some(host), None) = (named.next(), named.next()) else {
            return Err(bad("the header Host must be there, once"));
        };
        let host = host.to_str().unwrap_or_default();
        // A request to a proxy names the host twice.
        let of_uri = request.uri().authority().map(Authority::as_str);
        for host in std::iter::once(host).chain(of_uri) {
            if !self.answers_to(host) {
                let message = "the server does not answer to this host: http.allowed_hosts \
                    names those that it does";
                let error = ApiError::new(ErrorCode::Forbidden, message);
                return Err((StatusCode::MISDIRECTED_REQUEST, error));
            }
        }
        Ok(host)
    }

    /// The host of a request that a load balancer or a monitor sends, which knows the server by its address alone.
    /// A page that reaches the server by a name of its own sends that name.
    fn host_of_probe<'a>(&self, request: &'a Request) -> Option<&'a str> {
        if !self.probes.contains(&request.uri().path()) {
            return None;
        }
        let mut named = request.headers().get_all(HOST).iter();
        let host = named.next().map_or(Some(""), |host| host.to_str().ok())?;
        let is_address =
            host.is_empty() || name_of(host).is_some_and(|name| address(&name).is_some());
        // Over HTTP/2 the address of a request has the same host.
        let of_uri = request.uri().authority();
        let is_same = of_uri.is_none_or(|authority| authority.as_str() == host);
        let is_whole = named.next().is_none() && is_same;
        (is_address && is_whole).then_some(host)
    }

    /// The port is not compared: it may be another one in front of a proxy, and no page can choose
    /// to which name its own browser thinks it speaks.
    fn answers_to(&self, host: &str) -> bool {
        name_of(host).is_some_and(|name| is_loopback(&name) || self.hosts.contains(&name))
    }

    /// Clients other than browsers name no origin.
    fn check_origin(&self, host: &str, request: &Request) -> Result<(), Refused> {
        let scheme = self.scheme_of(host, request);
        let mut origins = request.headers().get_all(ORIGIN).iter();
        let is_allowed = origins.all(|origin| {
            let origin = origin.to_str().unwrap_or_default();
            is_page_of(origin, scheme, host) || self.origins.iter().any(|one| is_same(one, origin))
        });
        if is_allowed {
            return Ok(());
        }
        let error = ApiError::new(ErrorCode::Forbidden, "the origin is not allowed");
        Err((StatusCode::FORBIDDEN, error))
    }

    /// The scheme of the server's pages at the address that the request was sent to. A proxy that ends TLS is
    /// known by `http.public_url`.
    fn scheme_of(&self, host: &str, request: &Request) -> &str {
        let client = request.extensions().get::<Client>();
        if client.is_some_and(|client| client.is_encrypted) {
            return "https";
        }
        let is_local = name_of(host).is_some_and(|name| is_loopback(&name));
        if is_local { "http" } else { &self.scheme }
    }

    /// A body that says it is too large is not read. An upload has a limit of its own.
    fn check_length(&self, request: &Request) -> Result<(), Refused> {
        let is_within = |bytes| bytes <= self.max_body_bytes;
        if declared_bytes(request.headers()).is_none_or(is_within)
            || request.uri().path().starts_with(uploads::PATH)
        {
            return Ok(());
        }
        let error = ApiError::bad_input("the body is too large");
        Err((StatusCode::PAYLOAD_TOO_LARGE, error))
    }
}

/// Returns whether the origin is that of a page at this scheme and host.
fn is_page_of(origin: &str, scheme: &str, host: &str) -> bool {
    origin
        .split_once("://")
        .is_some_and(|(of_origin, place)| is_same(of_origin, scheme) && is_same(place, host))
}

/// The headers that every answer has: nothing of it is kept, shown within a page or taken for what it is not, its
/// address is told nobody, and it is another one for another tenant. Where it came by TLS it comes by nothing else.
pub(super) fn finish(headers: &mut HeaderMap, client: Option<Client>) {
    headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(NO_PAGE);
    headers.entry(REFERRER_POLICY).or_insert(NO_REFERRER);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    headers.insert(X_FRAME_OPTIONS, DENY);
    if client.is_some_and(|client| client.is_encrypted) {
        headers.insert(STRICT_TRANSPORT_SECURITY, A_YEAR);
    }
    headers.append(VARY, TENANT);
}

/// The answer to a request that is refused outside of both APIs.
pub(super) fn refusal(error: &ApiError, id: Option<&RequestId>) -> Response<Body> {
    let status = StatusCode::from_u16(error.code().http_status());
    let mut answer = shown(status.unwrap_or(StatusCode::BAD_REQUEST), error, id);
    if error.code() == ErrorCode::Unauthenticated {
        let bearer = HeaderValue::from_static("Bearer");
        answer.headers_mut().insert(WWW_AUTHENTICATE, bearer);
    }
    if let Some(wait) = error.retry_after() {
        answer.headers_mut().insert(RETRY_AFTER, seconds(wait));
    }
    answer
}

/// In the form of either API.
fn shown(status: StatusCode, error: &ApiError, id: Option<&RequestId>) -> Response<Body> {
    let (code, message) = (error.code().name(), error.message());
    let (id, retryable) = (id.map(|id| &*id.0), error.code().is_retryable());
    let extensions = json!({"code": code, "requestId": id, "retryable": retryable});
    let body = json!({
        "errors": [{"message": message, "extensions": extensions}],
        "error": message,
        "error_code": code,
    });
    (status, Json(body)).into_response()
}

/// The name of a host without its port, in lower case.
fn name_of(host: &str) -> Option<String> {
    let authority: Authority = host.parse().ok()?;
    let name = authority.host();
    let is_plain = !name.is_empty() && !host.contains('@');
    is_plain.then(|| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase())
}

/// The address that a host is named by, if it is.
fn address(name: &str) -> Option<IpAddr> {
    let in_brackets = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    in_brackets.unwrap_or(name).parse().ok()
}

fn is_loopback(name: &str) -> bool {
    address(name).is_some_and(|address| address.is_loopback())
        || name == "localhost"
        || name.ends_with(".localhost")
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;
    use crate::config::{Config, Overrides};

    fn guard(settings: &[&str]) -> Guard {
        let overrides = Overrides {
            set: settings.iter().map(|&pair| pair.to_owned()).collect(),
            ..Overrides::default()
        };
        let config = Config::load(&overrides, std::iter::empty()).unwrap();
        Guard::of(&config.http).unwrap().of_port(Port::Main)
    }

    fn status(guard: &Guard, headers: &[(HeaderName, &str)]) -> u16 {
        let mut request = Request::new(Body::empty());
        for (name, value) in headers {
            request.headers_mut().append(name, value.parse().unwrap());
        }
        let refused = guard.refuse(&request, &RequestId("1".into()));
        refused.map_or(200, |answer| answer.status().as_u16())
    }

    #[test]
    fn the_server_answers_to_its_own_names_only() {
        let public = [
            "http.public_url=https://api.example.com/x",
            "http.allowed_hosts=takeoff.lan, [fd00::7]",
        ];
        for (host, alone, behind) in [
            ("localhost", 200, 200),
            ("LOCALHOST:8080", 200, 200),
            ("localhost.", 200, 200),
            ("app.localhost:1", 200, 200),
            ("127.0.0.1:8080", 200, 200),
            ("127.8.9.1", 200, 200),
            ("[::1]:8080", 200, 200),
            ("api.example.com", 421, 200),
            ("API.example.com:443", 421, 200),
            ("takeoff.lan:9", 421, 200),
            ("[fd00::7]", 421, 200),
            ("x.api.example.com", 421, 421),
            ("evil.example", 421, 421),
            ("localhost.evil.example", 421, 421),
            ("evil.example/localhost", 421, 421),
            ("localhost@evil.example", 421, 421),
            ("evil.example@localhost", 421, 421),
            ("evillocalhost", 421, 421),
            ("192.168.0.1", 421, 421),
            ("0.0.0.0", 421, 421),
            ("", 421, 421),
        ] {
            assert_eq!(status(&guard(&[]), &[(HOST, host)]), alone, "{host}");
            assert_eq!(status(&guard(&public), &[(HOST, host)]), behind, "{host}");
        }
    }

    #[test]
    fn a_request_names_its_host_once_and_in_its_address_no_other() {
        let guard = guard(&[]);
        assert_eq!(status(&guard, &[]), 400);
        assert_eq!(
            status(&guard, &[(HOST, "localhost"), (HOST, "localhost")]),
            400
        );
        let request = |uri: &str| {
            let request = Request::builder().uri(uri).header(HOST, "localhost");
            let request = request.body(Body::empty()).unwrap();
            guard.refuse(&request, &RequestId("1".into())).is_some()
        };
        assert!(request("http://evil.example/graphql"));
        assert!(!request("http://localhost/graphql"));
    }

    #[test]
    fn an_origin_is_the_servers_own_or_an_allowed_one_with_its_scheme() {
        let settings = [
            "http.public_url=https://api.example.com",
            "http.cors_origins=https://app.example.com",
            "http.allowed_hosts=takeoff.lan",
        ];
        let guard = guard(&settings);
        for (host, origin, expected) in [
            ("api.example.com", "https://api.example.com", 200),
            ("api.example.com", "https://API.example.com", 200),
            ("api.example.com", "http://api.example.com", 403),
            ("api.example.com", "https://app.example.com", 200),
            ("api.example.com", "http://app.example.com", 403),
            ("api.example.com", "https://app.example.com.evil.test", 403),
            ("api.example.com", "https://evil.test/api.example.com", 403),
            ("api.example.com", "https://a@api.example.com", 403),
            ("takeoff.lan", "https://takeoff.lan", 200),
            ("takeoff.lan", "http://takeoff.lan", 403),
            ("localhost:8080", "https://api.example.com", 200),
            ("localhost:8080", "http://localhost:8080", 200),
            ("localhost:8080", "https://localhost:8080", 403),
            ("localhost:8080", "http://localhost:8081", 403),
            ("localhost:8080", "http://localhost", 403),
            ("localhost:8080", "http://evil.example", 403),
            ("localhost:8080", "null", 403),
            ("localhost:8080", "", 403),
        ] {
            let headers = [(HOST, host), (ORIGIN, origin)];
            assert_eq!(status(&guard, &headers), expected, "{host} {origin}");
        }
        let two = [
            (HOST, "localhost"),
            (ORIGIN, "http://localhost"),
            (ORIGIN, "http://evil.example"),
        ];
        assert_eq!(status(&guard, &two), 403);
        let encrypted = |origin: &str| {
            let request = Request::builder().header(HOST, "localhost:8443");
            let request = request.header(ORIGIN, origin).extension(Client {
                is_encrypted: true,
                ..Client::local()
            });
            let request = request.body(Body::empty()).unwrap();
            guard.refuse(&request, &RequestId("1".into())).is_none()
        };
        assert!(encrypted("https://localhost:8443"));
        assert!(!encrypted("http://localhost:8443"));
        assert_eq!(status(&guard, &[(HOST, "localhost")]), 200);
    }
}
