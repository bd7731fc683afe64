//! The four layers, and what each refuses.

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};

use super::{Config, Error, LogFormat, Origin, Overrides, file::File, layers};

const NO_ENV: [(&str, &str); 0] = [];

fn load<const N: usize>(
    file: &str,
    env: [(&str, &str); N],
    cli: &Overrides,
) -> Result<Config, Error> {
    let file = File {
        path: PathBuf::from("site.toml"),
        text: file.to_owned(),
    };
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Config::assemble(Some(&file), env.into_iter(), cli)
}

fn set(pairs: &[&str]) -> Overrides {
    Overrides {
        set: pairs.iter().map(|pair| (*pair).to_owned()).collect(),
        ..Overrides::default()
    }
}

fn defaults() -> Config {
    load("", NO_ENV, &Overrides::default()).unwrap()
}

fn refusal(file: &str, env: &[(&str, &str)], flags: &[&str]) -> String {
    let file = File {
        path: PathBuf::from("site.toml"),
        text: file.to_owned(),
    };
    let env = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    Config::assemble(Some(&file), env, &set(flags))
        .unwrap_err()
        .to_string()
}

fn same(a: &Config, b: &Config) -> bool {
    a.data_dir == b.data_dir
        && a.http == b.http
        && a.database == b.database
        && a.redis == b.redis
        && a.content == b.content
        && a.runtime == b.runtime
        && a.limits == b.limits
        && a.sessions == b.sessions
        && a.telemetry == b.telemetry
}

#[test]
fn each_layer_covers_the_one_before() {
    let file = "[runtime]\npoll_ms = 20\nsweep_seconds = 20\nlease_seconds = 20\n";
    let env = [
        ("TAKEOFF_RUNTIME_SWEEP_SECONDS", "30"),
        ("TAKEOFF_RUNTIME_LEASE_SECONDS", "30"),
    ];
    let config = load(file, env, &set(&["runtime.lease_seconds=40"])).unwrap();
    let runtime = &config.runtime;
    assert_eq!(
        [
            runtime.heartbeat_seconds,
            runtime.poll_ms,
            runtime.sweep_seconds,
            runtime.lease_seconds
        ],
        [3, 20, 30, 40]
    );
    assert_eq!(
        config.origin("runtime.heartbeat_seconds"),
        Some(&Origin::Default)
    );
    assert_eq!(
        config.origin("runtime.poll_ms"),
        Some(&Origin::File("site.toml".into(), 2))
    );
    assert_eq!(
        config.origin("runtime.lease_seconds"),
        Some(&Origin::Flag("--set"))
    );
}

#[test]
fn the_named_variables_and_flags_reach_their_keys() {
    let env = [
        ("TAKEOFF_HTTP_BIND", "0.0.0.0:1"),
        ("TAKEOFF_DATA_DIR", "/env"),
        ("TAKEOFF_DATABASE_URL", "postgres://env"),
        ("TAKEOFF_REDIS_URL", "redis://env"),
        ("TAKEOFF_CONTENT_URL", "s3://env"),
        ("TAKEOFF_LOG", "warn"),
        ("HOME", "/not/ours"),
    ];
    let by_env = load("", env, &Overrides::default()).unwrap();
    let flag = |text: &str| Some(text.to_owned());
    let flags = Overrides {
        config: None,
        http_bind: flag("0.0.0.0:1"),
        data_dir: flag("/env"),
        database_url: flag("postgres://env"),
        redis_url: flag("redis://env"),
        content_url: flag("s3://env"),
        log: flag("warn"),
        set: Vec::new(),
    };
    let by_flag = load("", NO_ENV, &flags).unwrap();
    assert!(same(&by_env, &by_flag));
    assert_eq!(by_env.http.bind.to_string(), "0.0.0.0:1");
    assert_eq!(by_env.database.url.expose(), "postgres://env");
    assert_eq!(by_env.redis.url.unwrap().expose(), "redis://env");
    assert_eq!(by_env.content.url.expose(), "s3://env");
    assert_eq!(by_env.telemetry.log, "warn");
    assert_eq!(by_env.data_dir, Path::new("/env"));
}

#[test]
fn every_key_has_a_variable_of_its_own() {
    let mut variables: Vec<_> = layers::keys().map(super::key::Key::variable).collect();
    assert!(variables.contains(&"TAKEOFF_RUNTIME_MAX_CONCURRENT_EXECUTIONS".to_owned()));
    assert!(variables.contains(&"TAKEOFF_CONTENT_S3_ENDPOINT".to_owned()));
    let count = variables.len();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), count);
}

#[test]
fn database_and_content_lie_in_the_data_folder_unless_set() {
    let config = load("data_dir = \"/srv/t\"", NO_ENV, &Overrides::default()).unwrap();
    assert_eq!(config.database.url.expose(), "sqlite:///srv/t/takeoff.db");
    assert_eq!(config.content.url.expose(), "file:///srv/t/content");
    assert_eq!(
        config.origin("database.url"),
        Some(&Origin::Derived("data_dir"))
    );

    let relative = defaults();
    assert_eq!(relative.database.url.expose(), "sqlite://./data/takeoff.db");
    let here = std::path::absolute("data/content").unwrap();
    assert_eq!(
        relative.content.url.expose(),
        format!("file://{}", here.display())
    );
}

#[test]
fn an_empty_value_takes_away_an_optional_one() {
    let file = "[redis]\nurl = \"redis://file\"\n";
    let config = load(file, [("TAKEOFF_REDIS_URL", "")], &Overrides::default()).unwrap();
    assert_eq!(config.redis.url, None);
    let refused = refusal("", &[("TAKEOFF_DATA_DIR", "")], &[]);
    assert!(
        refused.contains("`data_dir`") && refused.contains("must not be empty"),
        "{refused}"
    );
}

#[test]
fn unknown_keys_are_named_with_their_origin() {
    for (file, env, flags, named) in [
        (
            "\nport = 1\n",
            &[][..],
            &[][..],
            "unknown key `port` (site.toml line 2)",
        ),
        (
            "[runtime]\npol_ms = 1\n",
            &[],
            &[],
            "`runtime.pol_ms` (site.toml line 2)",
        ),
        (
            "[content.gcs]\nx = 1\n",
            &[],
            &[],
            "`content.gcs` (site.toml line 1)",
        ),
        ("[tracing]\n", &[], &[], "`tracing` (site.toml line 1)"),
        (
            "",
            &[("TAKEOFF_PORT", "1")],
            &[],
            "environment variable TAKEOFF_PORT",
        ),
        (
            "",
            &[("TAKEOFF_TELEMETRY_LOG", "info")],
            &[],
            "variable TAKEOFF_TELEMETRY_LOG",
        ),
        (
            "",
            &[],
            &["runtime.pol_ms=1"],
            "unknown key `runtime.pol_ms` (flag --set)",
        ),
        (
            "",
            &[],
            &["runtime=1"],
            "unknown key `runtime` (flag --set)",
        ),
    ] {
        let refused = refusal(file, env, flags);
        assert!(refused.contains(named), "{refused}");
    }
}

#[test]
fn bad_values_are_named_with_their_origin() {
    for (file, env, flags, named) in [
        (
            "[runtime]\npoll_ms = \"20\"\n",
            &[][..],
            &[][..],
            "`runtime.poll_ms` (site.toml line 2): expected integer, found string",
        ),
        (
            "http = 3\n",
            &[],
            &[],
            "`http` (site.toml line 1): is a section",
        ),
        (
            "[http.bind]\nx = 1\n",
            &[],
            &[],
            "`http.bind` (site.toml line 1): expected string, found table",
        ),
        ("[runtime]\npoll_ms = -1\n", &[], &[], "found `-1`"),
        (
            "[http]\nbind = \"localhost\"\n",
            &[],
            &[],
            "an IP address and a port",
        ),
        (
            "[content]\nurl = []\n",
            &[],
            &[],
            "expected string, found array",
        ),
        ("a = = 1\n", &[], &[], "site.toml line 1"),
        (
            "",
            &[("TAKEOFF_RUNTIME_POLL_MS", "soon")],
            &[],
            "`runtime.poll_ms` (environment variable TAKEOFF_RUNTIME_POLL_MS): expected a whole number",
        ),
        (
            "",
            &[("TAKEOFF_CONTENT_S3_ALLOW_HTTP", "yes")],
            &[],
            "expected true or false",
        ),
        (
            "",
            &[],
            &["runtime.max_concurrent_executions=0"],
            "must be from 1 to 100000, found `0`",
        ),
        (
            "",
            &[],
            &["telemetry.log_format=xml"],
            "expected auto, text or json, found `xml`",
        ),
        (
            "",
            &[],
            &["telemetry.log=takeoff=loud"],
            "`telemetry.log` (flag --set)",
        ),
        (
            "",
            &[],
            &["database.url=mysql://h/d"],
            "schemes sqlite, postgres, postgresql",
        ),
        (
            "",
            &[],
            &["runtime.poll_ms"],
            "--set expects section.key=value, found `runtime.poll_ms`",
        ),
        (
            "data_dir = \"a?b\"",
            &[],
            &[],
            "`data_dir` (site.toml line 1)",
        ),
    ] {
        let refused = refusal(file, env, flags);
        assert!(refused.contains(named), "{refused}");
    }
}

#[test]
fn a_bad_value_is_refused_also_where_a_later_layer_covers_it() {
    let file = "[runtime]\npoll_ms = true\n";
    let refused = refusal(file, &[("TAKEOFF_RUNTIME_POLL_MS", "20")], &[]);
    assert!(
        refused.contains("`runtime.poll_ms` (site.toml line 2)"),
        "{refused}"
    );
}

#[test]
fn an_empty_database_url_is_the_derived_one() {
    let file = "[database]\nurl = \"postgres://file/d\"\n";
    let config = load(file, [("TAKEOFF_DATABASE_URL", "")], &Overrides::default()).unwrap();
    assert_eq!(config.database.url.scheme(), "sqlite");
}

#[test]
fn contradictions_name_both_sides() {
    let refused = refusal("", &[("TAKEOFF_RUNTIME_LEASE_SECONDS", "3")], &[]);
    assert_eq!(
        refused,
        "bad value for `runtime.heartbeat_seconds` (default): must be less than \
         `runtime.lease_seconds`, which is 3 (environment variable TAKEOFF_RUNTIME_LEASE_SECONDS)"
    );
    for (flags, named) in [
        (
            &["runtime.queue_capacity=10"][..],
            "`runtime.batch_max_items`",
        ),
        (&["limits.result_bytes=10"], "`limits.inline_bytes`"),
        (
            &["content.s3.access_key_id=me"],
            "`content.s3.secret_access_key`",
        ),
        (&["content.signing_key=short"], "`content.signing_key`"),
        (
            &["database.url=postgres://h/d", "database.max_connections=3"],
            "`database.max_connections`",
        ),
    ] {
        let refused = refusal("", &[], flags);
        assert!(refused.contains(named), "{refused}");
    }
    assert!(load("", NO_ENV, &set(&["database.max_connections=1"])).is_ok());
}

#[test]
fn one_key_by_two_flags_is_refused() {
    let flags = Overrides {
        log: Some("warn".to_owned()),
        ..set(&["telemetry.log=info"])
    };
    let refused = load("", NO_ENV, &flags).unwrap_err().to_string();
    assert_eq!(
        refused,
        "`telemetry.log` is set twice, by flag --log and by flag --set"
    );
}

#[test]
fn a_file_that_is_named_must_exist() {
    let flags = Overrides {
        config: Some("/nonexistent/takeoff.toml".into()),
        ..Overrides::default()
    };
    let error = Config::load(&flags, std::iter::empty()).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/takeoff.toml"));
}

#[test]
fn secrets_are_never_shown() {
    let flags = set(&[
        "database.url=postgres://me:pass/wo:rd@x@db/takeoff?sslpassword=hidden1&sslmode=require",
        "redis.url=redis://:hidden2@cache",
        "content.signing_key=hidden3hidden3hidden3hidden3hidden3",
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
    assert!(toml.contains("secret_access_key = \"***\" # flag --set"));
    assert_eq!(config.redis.url.unwrap().expose(), "redis://:hidden2@cache");

    for (file, env) in [
        ("[content]\nsigning_key = hidden\n", ("X", "")),
        ("", ("TAKEOFF_DATABASE_URL", "mysql://u:hidden@h")),
    ] {
        let refused = refusal(file, &[env], &[]);
        assert!(!refused.contains("hidden"), "{refused}");
    }
    for flag in [
        "database.url:postgres://me:hidden@db/takeoff",
        "postgres://me:hidden@db/takeoff?sslmode=require",
        "content.signing_key hidden",
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
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("takeoff.toml");
    let documented = Config::documented_toml().unwrap();
    if std::env::var_os("TAKEOFF_BLESS").is_some() {
        std::fs::write(&path, &documented).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap();
    assert!(
        file == documented,
        "takeoff.toml is not what the code says; run the tests with TAKEOFF_BLESS=1"
    );
    let loaded = load(&file, NO_ENV, &Overrides::default()).unwrap();
    assert!(same(&loaded, &defaults()));
    for key in layers::keys() {
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

#[test]
fn the_flags_are_those_of_the_command_line() {
    /// The command.
    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        overrides: Overrides,
    }

    let line =
        "takeoff --data-dir /a --log warn --set runtime.poll_ms=20 --set redis.url=redis://h";
    let command = Command::parse_from(line.split(' '));
    let config = load("", NO_ENV, &command.overrides).unwrap();
    assert_eq!(config.data_dir, Path::new("/a"));
    assert_eq!(config.telemetry.log, "warn");
    assert_eq!(config.runtime.poll_ms, 20);
    assert_eq!(config.redis.url.unwrap().expose(), "redis://h");
    let about = Command::command().get_about().map(ToString::to_string);
    assert_eq!(about.as_deref(), Some("The command"));
}
