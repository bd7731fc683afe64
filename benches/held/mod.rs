//! Counts held against `benches/budget.toml`.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context;

/// Shows each count beside what is allowed in `section`; fails when there is more of one, or no budget.
#[expect(clippy::print_stderr, reason = "a benchmark tells what it found")]
pub(crate) fn hold(section: &str, found: &BTreeMap<&str, f64>) -> anyhow::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/budget.toml");
    let text = std::fs::read_to_string(&path)?;
    let budgets: BTreeMap<String, BTreeMap<String, f64>> = toml::from_str(&text)?;
    let budget = budgets.get(section).context("a section without a budget")?;
    let mut exceeded = Vec::new();
    for (name, value) in found {
        let most = *budget
            .get(*name)
            .with_context(|| format!("no budget for {name}"))?;
        eprintln!("  {section}, {name}: {value} of at most {most}");
        if *value > most {
            exceeded.push(*name);
        }
    }
    anyhow::ensure!(
        exceeded.is_empty(),
        "above the budget: {}",
        exceeded.join(", ")
    );
    Ok(())
}
