//! The commands. `takeoff::cli::run` gives a team's own binary the same ones around its solutions.

mod client;
mod demo;
mod follow;
mod list;
mod output;
mod server;
mod submit;

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
    /// Serve, and show files on their way through the content pipeline.
    Demo(demo::Demo),
    /// Submit an intent to a server.
    Submit(submit::Submit),
    /// Show the events of an execution until it has ended.
    Watch(submit::Watch),
    /// Show where an artifact came from, or what was made from it.
    Lineage(list::Lineage),
    /// List executions.
    Executions(list::Executions),
    /// List artifacts.
    Artifacts(list::Artifacts),
    /// Bring the database's schema up to date.
    Migrate,
    /// Rebuild executions and artifacts from the log and report every difference from their rows.
    Verify,
    /// Print the GraphQL schema.
    Schema,
    /// Print the effective configuration and where each value comes from.
    Config,
}

/// Runs the command that the process was given; `build` adds solutions to the server. The exit code
/// is 0 for success, 1 when an execution failed or differences were found, 2 for anything else.
pub fn run(build: impl FnOnce(App) -> App) -> ExitCode {
    let Arguments { overrides, command } = Arguments::parse();
    let done = match command.unwrap_or(Command::Serve) {
        Command::Submit(submit) => server::block_on(submit.run()),
        Command::Watch(watch) => server::block_on(watch.run()),
        Command::Lineage(lineage) => server::block_on(lineage.run()),
        Command::Executions(executions) => server::block_on(executions.run()),
        Command::Artifacts(artifacts) => server::block_on(artifacts.run()),
        Command::Demo(demo) => server::demo(demo, &overrides, build),
        Command::Serve => server::serve(&overrides, build),
        Command::Migrate => server::migrate(&overrides),
        Command::Verify => server::verify(&overrides),
        Command::Schema => Ok(server::schema()),
        Command::Config => server::config(&overrides),
    };
    done.unwrap_or_else(|error| {
        output::complain(&format!("{error:#}"));
        ExitCode::from(2)
    })
}
