//! The keys by which sensitive parameters are sealed.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{Configured, output, server};
use crate::{app, config::Overrides};

/// Flags of `secrets`.
#[derive(Debug, Clone, Args)]
pub(super) struct Secrets {
    #[command(flatten)]
    pub(super) configured: Configured,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Encrypt the keys of sensitive parameters by the first one of `secrets.keys`, and make a new one for what comes.
    Rotate,
}

impl Secrets {
    pub(super) fn run(&self, overrides: &Overrides) -> anyhow::Result<ExitCode> {
        let Action::Rotate = self.action;
        let config = server::configured(overrides)?;
        server::block_on(async {
            let count = app::rotate_secrets(&config).await?;
            output::say_text(&format!(
                "{count} keys are encrypted by the first one of secrets.keys, one of them new; the others of the ring \
                 can be taken away"
            ));
            Ok(ExitCode::SUCCESS)
        })
    }
}
