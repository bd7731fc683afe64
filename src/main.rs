//! The `takeoff` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    takeoff::cli::run(|app| app)
}
