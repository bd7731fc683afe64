//! The configuration as it is shown, and the documented file.

use super::*;
use crate::config::LogFormat;

#[test]
fn secrets_are_never_shown() {
    let flags = set(&[
        "database.url=postgres://me:pass/wo:rd@x@db/takeoff?sslpassword=hidden1&sslmode=require",
        "redis.url=redis://:hidden2@cache",
        "content.signing_keys=k2:hidden3abcdefghijklmnopqrstuvwxyz, k1:hidden5abcdefghijklmnopqrstuvwxyz",
        "content.s3.access_key_id=AKIA",
        "content.s3.secret_access_key=hidden4",
    ]);
    let config = load("", NO_ENV, &flags).unwrap();
    let toml = config.to_toml_redacted();
    for shown in [format!("{config:?} {flags:?}"), toml.clone()] {
        for secret in ["hidden", "wo:rd", "pass/"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    assert!(toml.contains("postgres://me:***@db/takeoff?sslpassword=***&sslmode=require"));
    assert!(toml.contains("signing_keys = \"k2:***, k1:***\" # flag --set"));
    assert!(toml.contains("secret_access_key = \"***\" # flag --set"));
    assert_eq!(config.redis.url.unwrap().expose(), "redis://:hidden2@cache");

    for (file, env) in [
        ("[content]\nsigning_keys = hidden\n", ("X", "")),
        ("", ("TAKEOFF_CONTENT_SIGNING_KEYS", "hidden")),
        ("", ("TAKEOFF_CONTENT_SIGNING_KEYS", "k1:hidden, hidden")),
        ("", ("TAKEOFF_DATABASE_URL", "mysql://u:hidden@h")),
    ] {
        let refused = refusal(file, &[env], &[]);
        assert!(!refused.contains("hidden"), "{refused}");
    }
    for flag in [
        "database.url:postgres://me:hidden@db/takeoff",
        "postgres://me:hidden@db/takeoff?sslmode=require",
        "content.signing_keys hidden",
    ] {
        let refused = refusal("", &[], &[flag]);
        assert!(!refused.contains("hidden"), "{refused}");
    }
}

#[test]
fn a_password_is_hidden_wherever_it_stands_in_a_url() {
    for (key, url, shown) in [
        (
            "database.url",
            "postgres://me@db/takeoff?p%61ssword=hidden",
            "p%61ssword=***",
        ),
        (
            "database.url",
            "postgres://me@db/takeoff?a=1;PassWord=hidden&b=2",
            "a=1;PassWord=***&b=2",
        ),
        (
            "database.url",
            "postgres://me@db/takeoff#password=hidden",
            "takeoff#password=***",
        ),
        (
            "database.url",
            "postgres://db/takeoff?options=-c%20my.secret%3Dhidden",
            "options=***",
        ),
        (
            "database.url",
            "postgres://db/t?via=http%3A%2F%2Fu%3Ahidden%40proxy&b=2",
            "via=***&b=2",
        ),
        (
            "database.url",
            "postgres:me:hidden@db/takeoff",
            "postgres:me:***@db/takeoff",
        ),
        ("redis.url", "redis://hidden@cache", "redis://***@cache"),
        (
            "telemetry.otlp_endpoint",
            "http://hidden@collector:4317",
            "http://***@collector:4317",
        ),
        (
            "http.public_url",
            "https://me:hidden@takeoff.example",
            "https://me:***@takeoff.example",
        ),
        (
            "content.s3.endpoint",
            "http://store:9000/?token=hidden",
            "/?token=***",
        ),
        (
            "content.url",
            "file:///home/a@b/content",
            "file:///home/a@b/content",
        ),
        (
            "database.url",
            "postgres://me@db/takeoff?sslmode=require",
            "me@db/takeoff?sslmode=require",
        ),
    ] {
        let config = load("", NO_ENV, &set(&[&format!("{key}={url}")])).unwrap();
        let toml = config.to_toml_redacted();
        assert!(
            toml.contains(shown) && !toml.contains("hidden"),
            "{key}: {toml}"
        );
        assert!(!format!("{config:?}").contains("hidden"), "{config:?}");
    }
}

#[test]
fn the_printed_configuration_is_one() {
    let env = [
        ("TAKEOFF_TELEMETRY_LOG_FORMAT", "json"),
        ("TAKEOFF_DATA_DIR", "/a \"b\""),
    ];
    let config = load("", env, &Overrides::default()).unwrap();
    assert_eq!(config.telemetry.log_format, LogFormat::Json);
    let again = load(&config.to_toml_redacted(), NO_ENV, &Overrides::default()).unwrap();
    assert!(same(&config, &again));
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a switch of the tests themselves"
)]
fn the_documented_file_is_the_defaults() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("takeoff.sample.toml");
    let documented = Config::documented_toml().unwrap();
    if std::env::var_os("TAKEOFF_BLESS").is_some() {
        std::fs::write(&path, &documented).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(
        file == documented,
        "takeoff.sample.toml is not what the code says; run the tests with TAKEOFF_BLESS=1"
    );
    let loaded = load(&file, NO_ENV, &Overrides::default()).unwrap();
    assert!(same(&loaded, &defaults()));
    for key in sections::keys() {
        assert!(file.contains(&format!("{} = ", key.name)), "{}", key.path());
    }
}

#[test]
fn the_examples_in_the_documented_file_are_valid() {
    let documented = Config::documented_toml().unwrap();
    let examples = documented
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest,
            _ => line,
        })
        .collect::<Vec<_>>()
        .join("\n");
    let config = load(&examples, NO_ENV, &Overrides::default()).unwrap();
    assert_eq!(config.content.url.scheme(), "s3");
    assert!(config.http.public_url.is_some());
}
