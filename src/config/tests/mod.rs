//! The four layers, and what each refuses.

use std::path::{Path, PathBuf};

use clap::{CommandFactory as _, Parser as _};

mod issuers;
mod refused;
mod shown;

use super::{Config, Error, Origin, Overrides, file::File, sections};

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
        && a.auth == b.auth
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
    let mut variables: Vec<_> = sections::keys().map(super::key::Key::variable).collect();
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
