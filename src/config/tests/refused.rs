//! Refused configurations, and the messages about them.

use super::*;

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
            "",
            &[],
            &["content.signing_keys=short"],
            "`content.signing_keys` (flag --set): the secret of key k1 is weak",
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
