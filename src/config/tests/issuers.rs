//! Roles and issuers: several values under one key.

use super::*;
use crate::config::LoginToken;

const FILE: &str = "[auth]\nroles = \"reader = log:read executions:read, clerk = intents:submit:order\"\n\
    [[auth.issuers]]\nurl = \"https://one.example\"\naudience = [\"a\", \"b\"]\ntenant = \"acme\"\n\
    [[auth.issuers]]\nurl = \"https://two.example\"\naudience = [\"a\"]\ntenant_claim = \"org\"\n\
    roles = { staff = \"reader\" }\nleeway_seconds = 0x10\n\
    graphiql = { client_id = \"page\" }\n";

#[test]
fn issuers_are_tables_in_a_file_and_json_elsewhere() {
    let config = load(FILE, NO_ENV, &Overrides::default()).unwrap();
    let [one, two] = config.auth.issuers.list() else {
        panic!("{:?}", config.auth);
    };
    assert_eq!(
        (one.url.as_str(), one.tenant.as_deref()),
        ("https://one.example", Some("acme"))
    );
    assert_eq!(
        (one.audience.join(" "), one.leeway_seconds),
        ("a b".to_owned(), 30)
    );
    assert_eq!(
        (two.roles["staff"].as_str(), two.leeway_seconds),
        ("reader", 16)
    );
    let page = two.graphiql.as_ref().unwrap();
    assert_eq!(
        (page.client_id.as_str(), page.scope.as_str(), &one.graphiql),
        ("page", "openid", &None)
    );
    let json = r#"[{"url": "https://one.example", "audience": ["a"], "tenant": "acme"}]"#;
    let env = load("", [("TAKEOFF_AUTH_ISSUERS", json)], &Overrides::default()).unwrap();
    assert_eq!(env.auth.issuers.list().len(), 1);
    let none = load(FILE, [("TAKEOFF_AUTH_ISSUERS", "")], &Overrides::default()).unwrap();
    assert!(
        none.auth.issuers.list().is_empty(),
        "a later layer takes away"
    );
}

#[test]
fn what_is_printed_of_roles_and_issuers_is_read_again() {
    let config = load(FILE, NO_ENV, &Overrides::default()).unwrap();
    let printed = config.to_toml_redacted();
    let again = load(&printed, NO_ENV, &Overrides::default()).unwrap();
    assert_eq!(again.auth, config.auth, "{printed}");
}

#[test]
fn the_secret_of_a_client_is_not_shown() {
    let file = "[[auth.issuers]]\nurl = \"https://one.example\"\naudience = [\"a\"]\ntenant = \"acme\"\n\
        console = { client_id = \"console\", client_secret = \"hush\", token = \"id\" }\n";
    let config = load(file, NO_ENV, &Overrides::default()).unwrap();
    let console = config.auth.issuers.list()[0].console.as_ref().unwrap();
    assert_eq!(console.client_secret.as_ref().unwrap().expose(), "hush");
    assert_eq!(console.token, LoginToken::Id);
    let printed = config.to_toml_redacted();
    assert!(printed.contains("***") && printed.contains("console"));
    assert!(!format!("{printed} {config:?}").contains("hush"));
}

#[test]
fn a_faulty_issuer_or_role_is_refused_where_it_stands() {
    for (file, words) in [
        (
            "[auth]\nissuers = \"https://one.example\"\n",
            ["auth.issuers", "array"],
        ),
        (
            "[[auth.issuers]]\nurl = \"x\"\n",
            ["auth.issuers", "audience"],
        ),
        (
            "[[auth.issuers]]\nurl = \"x\"\naudience = [\"a\"]\ncolour = 7\n",
            ["auth.issuers", "colour"],
        ),
        (
            "[[auth.issuers]]\nurl = \"x\"\naudience = \"a\"\n",
            ["auth.issuers", "sequence"],
        ),
        (
            "[[auth.issuers]]\nurl = \"x\"\naudience = []\ngraphiql = { client_secret = \"s\" }\n",
            ["auth.issuers", "client_secret"],
        ),
        ("[auth]\nroles = \"reader\"\n", ["auth.roles", "reader"]),
        (
            "[auth]\nroles = \"a = log:read, a = keys:manage\"\n",
            ["auth.roles", "twice"],
        ),
        ("[auth]\nmode = \"open\"\n", ["auth.mode", "open"]),
    ] {
        let refused = refusal(file, &[], &[]);
        for word in words {
            assert!(refused.contains(word), "no {word} in: {refused}");
        }
    }
}
