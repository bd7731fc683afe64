//! The commands that work on the server's own side: they read its configuration.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::{Build, Configured, demo::Demo, output};
use crate::{
    app::{self, App},
    config::{Config, Overrides},
    graphql,
    model::KeptCheckpoint,
    storage, telemetry,
};

pub(super) fn configured(overrides: &Overrides) -> anyhow::Result<Config> {
    Config::from_process(overrides).context("the configuration is refused")
}

/// Runs `work` to its end on threads of its own.
pub(super) fn block_on(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the threads cannot be started")?;
    let output = runtime.block_on(work);
    // What never yields must not keep the process from ending.
    runtime.shutdown_background();
    output
}

pub(super) fn serve(overrides: &Overrides, build: Build<'_>) -> anyhow::Result<ExitCode> {
    let config = configured(overrides)?;
    let _telemetry = telemetry::init(&config.telemetry, &config.http.bind.to_string())?;
    app::hide_panics_of_handlers();
    block_on(async {
        build(App::new(config))
            .serve()
            .await
            .map(|()| ExitCode::SUCCESS)
    })
}

pub(super) fn demo(
    demo: Demo,
    overrides: &Overrides,
    build: Build<'_>,
) -> anyhow::Result<ExitCode> {
    let mut config = configured(overrides)?;
    // It asks the server itself, by an address that no certificate names.
    config.http.tls_certificate = None;
    config.http.tls_key = None;
    // The demo shows events itself; the log would repeat them.
    if config.telemetry.log == "info" {
        "warn".clone_into(&mut config.telemetry.log);
    }
    let _telemetry = telemetry::init(&config.telemetry, &config.http.bind.to_string())?;
    app::hide_panics_of_handlers();
    block_on(demo.run(build(App::new(config))))
}

pub(super) fn migrate(overrides: &Overrides) -> anyhow::Result<ExitCode> {
    let config = configured(overrides)?;
    app::keep_private(&config);
    block_on(async {
        let applied = storage::migrate(&app::database_options(&config))
            .await
            .map_err(|error| app::unusable_database(&config, error))?;
        if applied.is_empty() {
            output::say_text("the schema is up to date");
        }
        for name in applied {
            output::say_text(&format!("applied {name}"));
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// What retention would do.
pub(super) fn retention(overrides: &Overrides) -> anyhow::Result<ExitCode> {
    let config = configured(overrides)?;
    block_on(async {
        let all = app::outlook(&config).await?;
        if all.is_empty() {
            output::say_text("nothing has ended");
        }
        for outlook in all {
            output::say_text(&outlook.to_string());
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Flags of `verify`.
#[derive(Debug, Clone, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) configured: Configured,
    /// Hash the log again as well, and report entries that were altered, removed or put elsewhere.
    #[arg(long)]
    pub(super) chain: bool,
    /// A checkpoint that was kept elsewhere, which must still be there; may be given several times.
    #[arg(
        long = "checkpoint",
        value_name = "TENANT:NUMBER:HASH",
        requires = "chain"
    )]
    pub(super) checkpoints: Vec<KeptCheckpoint>,
}

/// 0 when log and state agree, 1 with a list of differences.
pub(super) fn verify(overrides: &Overrides, verify: &Verify) -> anyhow::Result<ExitCode> {
    let config = configured(overrides)?;
    block_on(async {
        let report = app::verify(&config)
            .await
            .map_err(|error| app::unusable_database(&config, error))?;
        for difference in &report.differences {
            output::say_text(&difference.to_string());
        }
        output::say_text(&format!(
            "{} executions, {} artifacts, {} log entries: {} differences",
            report.executions,
            report.artifacts,
            report.events,
            report.differences.len()
        ));
        let is_chained = !verify.chain || verify_chain(&config, &verify.checkpoints).await?;
        let is_good = is_chained && report.differences.is_empty();
        Ok(ExitCode::from(u8::from(!is_good)))
    })
}

/// Returns whether the log is as it was written.
async fn verify_chain(config: &Config, kept: &[KeptCheckpoint]) -> anyhow::Result<bool> {
    let report = app::verify_chain(config, kept).await?;
    for fault in &report.faults {
        output::say_text(&fault.to_string());
    }
    output::say_text(&format!(
        "{} log entries in chains, {} entries since the last of {} checkpoints: {} faults",
        report.entries,
        report.unsigned,
        report.checkpoints,
        report.faults.len()
    ));
    if report.removed > 0 {
        output::say_text(&format!(
            "{} log entries were removed by retention",
            report.removed
        ));
    }
    if report.unchained > 0 {
        output::say_text(&format!(
            "{} log entries are of an earlier version, which made no chains: of them nothing can be said",
            report.unchained
        ));
    }
    Ok(report.faults.is_empty())
}

pub(super) fn schema() -> ExitCode {
    output::say_lines(graphql::export_schema().trim_end());
    ExitCode::SUCCESS
}

pub(super) fn config(overrides: &Overrides) -> anyhow::Result<ExitCode> {
    output::say_lines(configured(overrides)?.to_toml_redacted().trim_end());
    Ok(ExitCode::SUCCESS)
}
