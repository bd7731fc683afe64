//! Figures of several runs, as a Markdown table.

use std::fmt::Write as _;

/// The comparison of a figure: the goal, and the machine's own figure without the server in the
/// same run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    goal: f64,
    limit: Option<f64>,
}

impl Beside {
    pub(crate) fn goal(goal: f64) -> Self {
        Self { goal, limit: None }
    }

    pub(crate) fn limit(self, limit: f64) -> Self {
        let limit = Some(limit);
        Self { limit, ..self }
    }
}

struct Line {
    row: String,
    unit: &'static str,
    goal: f64,
    values: Vec<f64>,
    limits: Vec<f64>,
}

/// All figures of one backend.
#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<Line>,
}

impl Report {
    /// Adds a figure of this run, and shows it.
    pub(crate) fn add(&mut self, row: &str, unit: &'static str, value: f64, beside: Beside) {
        let limit = beside.limit.map(|limit| format!(" of {}", number(limit)));
        let limit = limit.unwrap_or_default();
        show(&format!("  {row}: {} {unit}{limit}", number(value)));
        let known = self.lines.iter().position(|line| line.row == row);
        let at = known.unwrap_or_else(|| {
            self.lines.push(Line {
                row: row.to_owned(),
                unit,
                goal: beside.goal,
                values: Vec::new(),
                limits: Vec::new(),
            });
            self.lines.len() - 1
        });
        let line = &mut self.lines[at];
        line.values.push(value);
        line.limits.extend(beside.limit);
    }

    /// Median, spread, goal and the ratio to the limit of the same run.
    pub(crate) fn table(&self, title: &str) -> String {
        let mut text = format!(
            "### {title}\n\n| | median | lowest to highest | goal | limit in the same run | of the limit |\n|---|---|---|---|---|---|\n"
        );
        for line in &self.lines {
            let value = median(&line.values);
            let low = line.values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = line.values.iter().copied().fold(0.0, f64::max);
            let goal = number(line.goal);
            let limit = (!line.limits.is_empty()).then(|| median(&line.limits));
            let ratio = limit.map(|limit| format!("{:.0} %", 100.0 * value / limit));
            let _ = writeln!(
                text,
                "| {} | {} {} | {} to {} | {goal} | {} | {} |",
                line.row,
                number(value),
                line.unit,
                number(low),
                number(high),
                limit.map(number).unwrap_or_default(),
                ratio.unwrap_or_default(),
            );
        }
        text
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Three digits that count, with commas.
fn number(value: f64) -> String {
    if value.is_nan() {
        return String::new();
    }
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Progress, beside the table.
#[expect(clippy::print_stderr, reason = "a benchmark tells what it is doing")]
pub(crate) fn show(line: &str) {
    eprintln!("{line}");
}
