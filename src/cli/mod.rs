//! The commands. `takeoff::cli::run` gives a team's own binary the same ones around its solutions.

mod server;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{app::App, config::Overrides};

/// An intent runtime behind a GraphQL API.
#[derive(Debug, Parser)]
#[command(name = "takeoff", version, about)]
struct Arguments {
    #[command(flatten)]
    overrides: Overrides,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and run executions (what happens without a command).
    Serve,
    /// Bring the database's schema up to date.
    Migrate,
    /// Rebuild executions and artifacts from the log and report every difference from their rows.
    Verify,
    /// Print the GraphQL schema.
    Schema,
    /// Print the effective configuration and where each value comes from.
    Config,
}

/// Runs the command that the process was given; `build` adds solutions to the server.
pub fn run(build: impl FnOnce(App) -> App) -> ExitCode {
    // Both TLS stacks of the dependencies take the provider that is installed first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let arguments = Arguments::parse();
    match server::dispatch(arguments, build) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

mod output {
    //! What a command says. A reader that has gone away ends the command quietly.

    use std::io::Write;

    /// One line for the user.
    pub(super) fn say(line: &str) {
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }

    /// One line about what went wrong.
    pub(super) fn complain(line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "takeoff: {line}");
    }
}
