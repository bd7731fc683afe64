//! `takeoff policy`: policies are checked before they are put where a server reads them.

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output;
use crate::policy::{self, Fault};

/// The arguments of `policy`.
#[derive(Debug, Clone, Args)]
pub(super) struct Policy {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Clone, Subcommand)]
enum Action {
    /// Check a folder of policies as a server would; exits with 1 if it would be refused.
    Check(Check),
    /// Print the schema: the actions, and the attributes that policies can look at.
    Schema,
    /// Print the policies of a server without a folder, to begin one with.
    Default,
}

#[derive(Debug, Clone, Args)]
struct Check {
    /// The folder: *.cedar for all tenants, tenants/TENANT/*.cedar for one.
    folder: PathBuf,
    /// Print JSON, errors included.
    #[arg(long)]
    json: bool,
}

impl Policy {
    pub(super) fn run(self) -> ExitCode {
        match self.action {
            Action::Check(check) => return check.run(),
            Action::Schema => output::say_lines(&policy::schema()),
            Action::Default => output::say_lines(policy::DEFAULT),
        }
        ExitCode::SUCCESS
    }
}

impl Check {
    fn run(self) -> ExitCode {
        match policy::check_folder(&self.folder) {
            Ok(checked) => {
                if self.json {
                    let warnings = shown(&checked.warnings);
                    let (policies, tenants) = (checked.shared, checked.tenants);
                    let told = json!({"policies": policies, "tenants": tenants, "faults": [], "warnings": warnings});
                    output::say_json(&told, true);
                    return ExitCode::SUCCESS;
                }
                for warning in &checked.warnings {
                    output::say_text(&format!("warning: {warning}"));
                }
                let policies = counted(checked.shared, "policy", "policies");
                let tenants = counted(checked.tenants, "tenant has", "tenants have");
                output::say_text(&format!("{policies} for all tenants; {tenants} their own"));
                ExitCode::SUCCESS
            }
            Err(faults) => {
                if self.json {
                    let told = json!({"faults": shown(&faults.0), "warnings": []});
                    output::say_json(&told, true);
                } else {
                    output::say_lines(&faults.to_string());
                }
                ExitCode::from(1)
            }
        }
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn shown(faults: &[Fault]) -> Vec<Value> {
    let shown =
        |fault: &Fault| json!({"file": fault.file, "line": fault.line, "message": fault.message});
    faults.iter().map(shown).collect()
}
