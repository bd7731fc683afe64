//! The commands that work on the server's own side: they read its configuration.

use std::process::ExitCode;

use anyhow::Context;

use super::{Arguments, Command, output};
use crate::{app::App, config::Config, graphql, storage, telemetry};

pub(super) fn dispatch(
    arguments: Arguments,
    build: impl FnOnce(App) -> App,
) -> anyhow::Result<ExitCode> {
    let config =
        || Config::from_process(&arguments.overrides).context("the configuration is refused");
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Schema => output::say(graphql::export_schema().trim_end()),
        Command::Config => output::say(config()?.to_toml_redacted().trim_end()),
        Command::Serve => {
            let config = config()?;
            let _telemetry = telemetry::init(&config.telemetry, &config.http.bind.to_string())?;
            block_on(build(App::new(config)).serve())??;
        }
        Command::Migrate => {
            let config = config()?;
            let applied = block_on(storage::migrate(&crate::app::database_options(&config)))?
                .with_context(|| {
                    format!("the database {} was not migrated", config.database.url)
                })?;
            if applied.is_empty() {
                output::say("the schema is up to date");
            }
            for name in applied {
                output::say(&format!("applied {name}"));
            }
        }
        Command::Verify => return verify(&config()?),
    }
    Ok(ExitCode::SUCCESS)
}

fn block_on<F: Future>(work: F) -> anyhow::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the threads cannot be started")?;
    let output = runtime.block_on(work);
    // A handler that never yields must not keep the process from ending.
    runtime.shutdown_background();
    Ok(output)
}

/// 0 when log and state agree, 1 with a list of differences.
fn verify(config: &Config) -> anyhow::Result<ExitCode> {
    let report = block_on(crate::app::verify(config))?
        .with_context(|| format!("the database {} cannot be verified", config.database.url))?;
    for difference in &report.differences {
        output::say(&difference.to_string());
    }
    output::say(&format!(
        "{} executions, {} artifacts, {} log entries: {} differences",
        report.executions,
        report.artifacts,
        report.events,
        report.differences.len()
    ));
    Ok(ExitCode::from(u8::from(!report.differences.is_empty())))
}
