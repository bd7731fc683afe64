//! People who log in at an issuer to open the console.

use std::{collections::HashMap, time::Duration};

use data_encoding::BASE64;
use reqwest::{Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use url::Url;

use super::{
    VIEWER,
    issuer::{Issuer, Key},
};
use crate::support::{Backend, PATIENCE, TestApp, backends};

const SECRET: &str = "hush: 100 %";
const SESSION: &str = "__Host-takeoff-console";
const LOGIN: &str = "__Host-takeoff-login";

/// A browser at the console, which keeps cookies.
struct Browser {
    http: reqwest::Client,
    origin: String,
    cookies: HashMap<String, String>,
}

impl Browser {
    fn at(app: &TestApp) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none());
        Self {
            http: http.build().unwrap(),
            origin: format!("http://{}", app.server.operations_address().unwrap()),
            cookies: HashMap::new(),
        }
    }

    async fn sends(&mut self, request: reqwest::RequestBuilder) -> Response {
        let cookies = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies: Vec<String> = cookies.collect();
        let answer = request
            .header("cookie", cookies.join("; "))
            .send()
            .await
            .unwrap();
        for set in answer.headers().get_all("set-cookie") {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            assert!(set.contains("; Secure; HttpOnly; SameSite="), "{set}");
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Begins a login; what the issuer is sent.
    async fn begins(&mut self, issuer: &Issuer) -> HashMap<String, String> {
        let body = json!({"issuer": issuer.url, "folder": "/console/", "page": "sessions?a=b"});
        let request = self.http.post(format!("{}/console/login", self.origin));
        let request = request.header("origin", &self.origin).json(&body);
        let answer = self.sends(request).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body: Value = answer.json().await.unwrap();
        let address = Url::parse(body["address"].as_str().unwrap()).unwrap();
        let sent: HashMap<_, _> = address.query_pairs().into_owned().collect();
        issuer.logs_in(sent["code_challenge"].clone());
        sent
    }

    /// Comes back from the issuer; where it is led to.
    async fn returns(&mut self, query: &[(&str, &str)]) -> String {
        self.returns_to("127-0-0-1", query).await
    }

    async fn returns_to(&mut self, place: &str, query: &[(&str, &str)]) -> String {
        let address = format!("{}/console/login/{place}", self.origin);
        let address = Url::parse_with_params(&address, query).unwrap();
        let answer = self.sends(self.http.get(address)).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
        answer.headers()["location"].to_str().unwrap().to_owned()
    }

    /// What a page is told of its session.
    async fn session(&mut self) -> Value {
        let request = self.http.get(format!("{}/console/session", self.origin));
        let answer = self
            .sends(request.header("sec-fetch-site", "same-origin"))
            .await;
        answer.json().await.unwrap()
    }

    /// Asks for the session until it is as it must be.
    async fn until(&mut self, is_so: impl Fn(&Self, &Value) -> bool) {
        let asking = async {
            loop {
                let told = self.session().await;
                if is_so(self, &told) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let asked = tokio::time::timeout(PATIENCE, asking).await;
        asked.expect("it never came to be");
    }

    async fn asks(&mut self, csrf: &str) -> Response {
        let request = self.http.post(format!("{}/graphql", self.origin));
        let request = request
            .header("origin", &self.origin)
            .header("x-takeoff-csrf", csrf);
        self.sends(request.json(&json!({"query": VIEWER}))).await
    }
}

async fn console(backend: &Backend, issuer: &Issuer, client: Value) -> TestApp {
    let more = json!({"console": client, "leeway_seconds": 0, "default_roles": ["viewer"]});
    let settings = [
        "auth.mode=required".to_owned(),
        "http.operations_bind=127.0.0.1:0".to_owned(),
        "auth.failed_proofs_burst=100000".to_owned(),
        issuer.setting(more),
    ];
    let settings = settings.each_ref().map(String::as_str);
    TestApp::start_with(backend, &settings).await
}

fn client() -> Value {
    json!({"client_id": "console", "client_secret": SECRET, "audience": "takeoff"})
}

/// The access token of somebody, which ends in so many seconds.
fn access(issuer: &Issuer, seconds: i64) -> String {
    let now = takeoff::clock::Clock::System.now() / 1_000_000;
    Key::Ec.sign(&issuer.claims(json!({"exp": now + seconds})))
}

fn of<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    let found = form.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value.as_str())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_begins_a_session_for_the_browser_that_has_begun_it_alone() {
    let issuer = Issuer::start(&[Key::Ec]).await;
    let app = console(&Backend::sqlite(), &issuer, client()).await;
    let mut browser = Browser::at(&app);
    let sent = browser.begins(&issuer).await;
    let expected = [
        ("response_type", "code"),
        ("client_id", "console"),
        ("scope", "openid"),
        ("audience", "takeoff"),
        ("code_challenge_method", "S256"),
        ("ui", "short"),
    ];
    for (name, value) in expected {
        assert_eq!(sent[name], value, "{name}");
    }
    let place = format!("{}/console/login/127-0-0-1", browser.origin);
    assert_eq!(sent["redirect_uri"], place);
    issuer.gives(json!({"access_token": access(&issuer, 600)}));
    let state = sent["state"].as_str();
    let kept = browser.cookies[LOGIN].clone();
    let good = [("code", "the code"), ("state", state), ("iss", &issuer.url)];
    // Another browser with the same address, and this one with what is not the issuer's answer.
    let mut other = Browser::at(&app);
    other.begins(&issuer).await;
    issuer.logs_in(sent["code_challenge"].clone());
    assert_eq!(other.returns(&good).await, "../#login=old");
    assert!(other.cookies.contains_key(LOGIN), "its own goes on");
    assert_eq!(browser.returns_to("another", &good).await, "../#login=old");
    browser.cookies.insert(LOGIN.to_owned(), kept.clone());
    for (query, why) in [
        (
            [("code", "the code"), ("state", "x"), ("iss", &issuer.url)],
            "old",
        ),
        (
            [
                ("code", "the code"),
                ("state", state),
                ("iss", "https://other.example"),
            ],
            "old",
        ),
        (
            [("code", "another"), ("state", state), ("iss", &issuer.url)],
            "failed",
        ),
        (
            [
                ("error", "access_denied"),
                ("state", state),
                ("iss", &issuer.url),
            ],
            "denied",
        ),
    ] {
        assert_eq!(
            browser.returns(&query).await,
            format!("../#login={why}"),
            "{query:?}"
        );
        assert_eq!(browser.cookies.get(SESSION), None);
        browser.cookies.insert(LOGIN.to_owned(), kept.clone());
    }
    assert_eq!(browser.returns(&good).await, "../sessions?a=b");
    assert!(!browser.cookies.contains_key(LOGIN), "it has served");
    let form = issuer.last_form();
    assert_eq!(of(&form, "redirect_uri"), place);
    let basic = BASE64.encode(b"console:hush%3A+100+%25");
    assert_eq!(of(&form, "authorization"), format!("Basic {basic}"));
    let session = browser.session().await;
    assert_eq!(session["renewInMs"], Value::Null, "nothing renews it");
    let answer = browser.asks(session["csrf"].as_str().unwrap()).await;
    let viewer: Value = answer.json().await.unwrap();
    assert_eq!(viewer["data"]["viewer"]["actor"], "ann", "{viewer}");
    app.assert_verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_good_here_or_of_another_login_begins_no_session() {
    let issuer = Issuer::start(&[Key::Ec]).await;
    let by_id = json!({"client_id": "takeoff", "token": "id"});
    let app = console(&Backend::sqlite(), &issuer, by_id).await;
    let mut browser = Browser::at(&app);
    let token = |claims: Value| Key::Ec.sign(&issuer.claims(claims));
    for (case, why) in [
        ("of another audience", "refused"),
        ("of another login", "refused"),
        ("of no login", "refused"),
        ("none", "failed"),
        ("good", ""),
    ] {
        let sent = browser.begins(&issuer).await;
        let nonce = sent["nonce"].as_str();
        let id = match case {
            "of another audience" => token(json!({"aud": "other", "nonce": nonce})),
            "of another login" => token(json!({"nonce": "n"})),
            "of no login" => token(json!({})),
            _ => token(json!({"nonce": nonce})),
        };
        issuer.gives(match case {
            "none" => json!({"access_token": id}),
            _ => json!({"access_token": "opaque", "id_token": id}),
        });
        let back = browser
            .returns(&[("code", "the code"), ("state", &sent["state"])])
            .await;
        let expected = if why.is_empty() {
            "../sessions?a=b".to_owned()
        } else {
            format!("../#login={why}")
        };
        assert_eq!(back, expected, "{case}");
        assert_eq!(
            browser.cookies.contains_key(SESSION),
            why.is_empty(),
            "{case}"
        );
    }
    let form = issuer.last_form();
    assert_eq!(
        (of(&form, "client_id"), of(&form, "authorization")),
        ("takeoff", "")
    );
}

backends! {
    async fn a_session_goes_on_with_fresh_tokens_until_it_is_ended(backend: Backend) {
        let issuer = Issuer::start(&[Key::Ec]).await;
        let app = console(&backend, &issuer, client()).await;
        let mut browser = Browser::at(&app);
        let sent = browser.begins(&issuer).await;
        issuer.gives(json!({"access_token": access(&issuer, 3), "refresh_token": "one"}));
        browser.returns(&[("code", "the code"), ("state", &sent["state"])]).await;
        let begun = browser.session().await;
        let csrf = begun["csrf"].as_str().unwrap();
        assert!(begun["renewInMs"].as_i64().is_some_and(|ms| ms <= 5_000), "{begun}");
        let first = browser.cookies[SESSION].clone();
        issuer.gives(json!({"access_token": access(&issuer, 600), "refresh_token": "two"}));
        browser.until(|browser, told| {
            assert_eq!(told["csrf"], csrf);
            browser.cookies[SESSION] != first
        }).await;
        let form = issuer.last_form();
        assert_eq!((of(&form, "grant_type"), of(&form, "refresh_token")), ("refresh_token", "one"));
        assert_eq!(browser.asks(csrf).await.status(), StatusCode::OK);
        // Another request of the browser that had left before gets the same.
        let (renewed, asked) = (browser.cookies[SESSION].clone(), issuer.forms());
        browser.cookies.insert(SESSION.to_owned(), first.clone());
        assert_eq!(browser.session().await["csrf"], csrf);
        assert_eq!((&browser.cookies[SESSION], issuer.forms()), (&renewed, asked));
        let request = browser.http.delete(format!("{}/console/session", browser.origin));
        let request = request.header("origin", &browser.origin).header("x-takeoff-csrf", csrf);
        assert_eq!(browser.sends(request).await.status(), StatusCode::NO_CONTENT);
        app.until(async || (of(&issuer.last_form(), "token") == "two").then_some(())).await;
        for copy in [first, renewed] {
            browser.cookies.insert(SESSION.to_owned(), copy);
            assert_eq!(browser.session().await["csrf"], Value::Null);
        }
        assert_eq!(issuer.forms(), asked + 1, "nothing was asked for again");
    }
}

/// A browser in a session whose token ends in so many seconds, and which is renewed by `one`.
async fn in_session(app: &TestApp, issuer: &Issuer, seconds: i64) -> Browser {
    let mut browser = Browser::at(app);
    let sent = browser.begins(issuer).await;
    issuer.gives(json!({"access_token": access(issuer, seconds), "refresh_token": "one"}));
    let query = [("code", "the code"), ("state", sent["state"].as_str())];
    assert_eq!(browser.returns(&query).await, "../sessions?a=b");
    browser
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_the_issuer_does_not_renew_ends_with_its_token() {
    let issuer = Issuer::start(&[Key::Ec]).await;
    let app = console(&Backend::sqlite(), &issuer, client()).await;
    let mut browser = in_session(&app, &issuer, 3).await;
    issuer.gives(json!({"error": "invalid_grant"}));
    browser
        .until(|_, told| told["csrf"].is_string() && told["renewInMs"].is_null())
        .await;
    browser.until(|_, told| told["csrf"].is_null()).await;
    assert_eq!(of(&issuer.last_form(), "refresh_token"), "one");
    assert_eq!(issuer.forms(), 2, "it is asked once for each");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_not_renewed_by_a_token_of_somebody_else() {
    let issuer = Issuer::start(&[Key::Ec]).await;
    let app = console(&Backend::sqlite(), &issuer, client()).await;
    let mut browser = in_session(&app, &issuer, 3).await;
    let bob = Key::Ec.sign(&issuer.claims(json!({"sub": "bob"})));
    issuer.gives(json!({"access_token": bob, "refresh_token": "of bob"}));
    browser.until(|_, told| told["csrf"].is_null()).await;
    app.until(async || (of(&issuer.last_form(), "token") == "of bob").then_some(()))
        .await;
}
