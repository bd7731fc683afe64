//! The commands. `takeoff::cli::run` gives a team's own binary the same ones around its solutions.

mod client;
mod demo;
mod download;
mod failure;
mod field;
mod files;
mod follow;
mod inspect;
mod keys;
mod lineage;
mod list;
mod login;
mod names;
mod nodes;
mod output;
mod paging;
mod policy;
mod secrets;
mod server;
mod session;
mod show;
mod submit;
mod tokens;
mod typescript;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use server::block_on;

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

/// Flags of a command that reads the server's configuration.
#[derive(Debug, Clone, Args)]
struct Configured {
    #[command(flatten)]
    overrides: Overrides,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    OfServer(OfServer),
    #[command(flatten)]
    OfClient(OfClient),
}

/// Commands that work on the server's own side.
#[derive(Debug, Subcommand)]
enum OfServer {
    /// Serve the API and run executions (what happens without a command).
    Serve(Configured),
    /// Serve, and show files on their way through the content pipeline.
    Demo(demo::Demo),
    /// Bring the database's schema up to date.
    Migrate(Configured),
    /// Rebuild executions and artifacts from the log and report every difference from their rows.
    Verify(server::Verify),
    /// Show what retention would remove by now, and what it would leave and why; nothing is removed.
    Retention(Configured),
    /// Make, list and revoke keys of the API, in the database itself.
    Keys(keys::Keys),
    /// Rotate the keys by which sensitive parameters are encrypted.
    Secrets(secrets::Secrets),
    /// Check policies, and print what they are written against.
    Policy(policy::Policy),
    /// Print the GraphQL schema.
    Schema,
    /// Print the effective configuration and where each value comes from.
    Config(Configured),
}

/// Commands that talk to a server.
#[derive(Debug, Subcommand)]
enum OfClient {
    /// Submit an intent to a server.
    Submit(submit::Submit),
    /// Show the events of an execution until it has ended.
    Watch(submit::Watch),
    /// Show an execution or an artifact.
    Show(inspect::Inspect),
    /// Cancel an execution.
    Cancel(inspect::Cancel),
    /// Run a finished execution's intent again.
    Rerun(inspect::Rerun),
    /// List executions.
    Executions(list::Executions),
    /// List artifacts.
    Artifacts(list::Artifacts),
    /// Show where an artifact came from, or what was made from it.
    Lineage(lineage::Lineage),
    /// Download an artifact's content.
    Download(download::Download),
    /// List intent types, or show one with its parameters.
    Types(list::Types),
    /// Begin, show, list and close sessions.
    Session(session::Session),
    /// List the nodes that are alive, with their load.
    Nodes(nodes::Nodes),
    /// Let a node take no new executions.
    Drain(nodes::Drain),
    /// Let a node take executions again.
    Undrain(nodes::Undrain),
    /// Get a token from an issuer, in a browser, and keep it for a server.
    Login(login::Login),
    /// Forget the token that is kept for a server.
    Logout(login::Logout),
}

/// Makes the server that a command starts, of one without a team's solutions.
type Build<'a> = Box<dyn FnOnce(App) -> App + 'a>;

/// Runs the command that the process was given; `build` adds solutions to the server. The exit code
/// is 0 for success, 1 when an execution failed or differences were found, 2 for anything else.
pub fn run(build: impl FnOnce(App) -> App) -> ExitCode {
    run_with(Box::new(build))
}

/// Generic over nothing, so that the server is compiled here and not again with each binary.
fn run_with(build: Build<'_>) -> ExitCode {
    let is_json = std::env::args_os().any(|argument| argument == "--json");
    let Arguments { overrides, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if is_json && error.use_stderr() => {
            failure::usage(&error);
            return ExitCode::from(2);
        }
        Err(error) => error.exit(),
    };
    let done = match command {
        Some(Command::OfServer(command)) => serve(command, overrides, build),
        Some(Command::OfClient(_)) if overrides.are_given() => Err(anyhow::anyhow!(
            "flags of the configuration are a server's; a client takes --url"
        )),
        Some(Command::OfClient(command)) => ask(command),
        None => server::serve(&overrides, build),
    };
    done.unwrap_or_else(|error| {
        failure::report(&error, is_json);
        ExitCode::from(2)
    })
}

fn serve(command: OfServer, before: Overrides, build: Build<'_>) -> anyhow::Result<ExitCode> {
    let both = |behind: Configured| {
        let both = before.and(behind.overrides);
        both.context("the configuration is refused")
    };
    match command {
        OfServer::Serve(behind) => server::serve(&both(behind)?, build),
        OfServer::Demo(demo) => {
            let overrides = both(demo.configured.clone())?;
            server::demo(demo, &overrides, build)
        }
        OfServer::Migrate(behind) => server::migrate(&both(behind)?),
        OfServer::Retention(behind) => server::retention(&both(behind)?),
        OfServer::Verify(verify) => server::verify(&both(verify.configured.clone())?, &verify),
        OfServer::Keys(keys) => {
            let overrides = both(keys.configured.clone())?;
            keys.run(&overrides)
        }
        OfServer::Secrets(secrets) => {
            let overrides = both(secrets.configured.clone())?;
            secrets.run(&overrides)
        }
        OfServer::Policy(policy) => Ok(policy.run()),
        OfServer::Schema => Ok(server::schema()),
        OfServer::Config(behind) => server::config(&both(behind)?),
    }
}

fn ask(command: OfClient) -> anyhow::Result<ExitCode> {
    match command {
        OfClient::Submit(submit) => block_on(submit.run()),
        OfClient::Watch(watch) => block_on(watch.run()),
        OfClient::Show(inspect) => block_on(inspect.run()),
        OfClient::Cancel(cancel) => block_on(cancel.run()),
        OfClient::Rerun(rerun) => block_on(rerun.run()),
        OfClient::Executions(executions) => block_on(executions.run()),
        OfClient::Artifacts(artifacts) => block_on(artifacts.run()),
        OfClient::Lineage(lineage) => block_on(lineage.run()),
        OfClient::Download(download) => block_on(download.run()),
        OfClient::Types(types) => block_on(types.run()),
        OfClient::Session(session) => block_on(session.run()),
        OfClient::Nodes(nodes) => block_on(nodes.run()),
        OfClient::Drain(drain) => block_on(drain.run()),
        OfClient::Undrain(undrain) => block_on(undrain.run()),
        OfClient::Login(login) => block_on(login.run()),
        OfClient::Logout(logout) => logout.run(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn no_command_takes_a_flag_twice() {
        Arguments::command().debug_assert();
    }
}
