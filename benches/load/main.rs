//! The load driver: starts the server as a user would, speaks GraphQL with it over HTTP and
//! WebSocket, measures beside it what the machine gives without it, and prints one table.
//!
//! `scripts/bench` runs it with a private `PostgreSQL` and Redis.

mod budget;
mod fleet;
#[path = "../held/mod.rs"]
mod held;
mod hostile;
mod hostile_figures;
mod http;
mod limits;
mod lists;
mod live;
mod load;
mod proof;
mod reads;
mod report;
mod rows;
mod seed;
mod server;
mod socket;
mod watch;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

use report::{Report, show};
use server::Backend;

/// Measures a Takeoff server against its database and a bare HTTP route.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
struct Arguments {
    /// Short forms: about three minutes.
    #[arg(long)]
    quick: bool,
    /// Every driver for a moment, and counts instead of times, against `benches/budget.toml`.
    #[arg(long, conflicts_with = "quick")]
    smoke: bool,
    /// Measures a tenant beside a hostile one, a row for each kind of attack, and the processor
    /// time of a point of cost.
    #[arg(long)]
    hostile: bool,
    /// The same with quotas of the hostile tenant, and without what single requests and points cost.
    #[arg(long, requires = "hostile")]
    quotas: bool,
    /// The number of times that each row is measured; 3, or 1 with `--quick` or `--smoke`.
    #[arg(long)]
    runs: Option<usize>,
    /// Only this backend: `postgres` or `sqlite`.
    #[arg(long)]
    backend: Option<String>,
    /// Only the rows whose name contains this.
    #[arg(long)]
    row: Option<String>,
    /// The number of executions, artifacts and sessions among which the lists are measured.
    #[arg(long, default_value_t = 100_000)]
    listed: u64,
    /// Measures the cost of single hostile requests, and nothing else; with a text only the figures
    /// whose name contains it.
    #[arg(long, num_args = 0..=1, default_missing_value = "")]
    figures: Option<String>,
    /// Serves the bare route at this address; used by the driver itself.
    #[arg(long)]
    bare_route: Option<String>,
    /// Attacks the server at this address, in the way that is named before it; used by the driver itself.
    #[arg(long, num_args = 2)]
    attack: Option<Vec<String>>,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The length and the size of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) quick: bool,
    /// A closed loop.
    pub(crate) time: Duration,
    /// The sustained load.
    pub(crate) sustained: Duration,
    /// Submits a second of the open loop.
    pub(crate) rate: u32,
    pub(crate) backlog: usize,
    /// Tenants with an intent each.
    pub(crate) of_tenants: usize,
    /// Requests one after the other.
    pub(crate) singles: usize,
    /// Events of the feed that is read again.
    pub(crate) past_events: usize,
    pub(crate) subscribers: usize,
    /// Seeded artifacts; three times as many edges.
    pub(crate) artifacts: u64,
    /// Seeded finished executions; three times as many events.
    pub(crate) past: u64,
    /// Seeded rows of each kind that lists go through.
    pub(crate) listed: u64,
    /// The time for which a tenant is measured beside a hostile one, and as long without.
    pub(crate) beside: Duration,
    /// Seeded artifacts of the hostile tenant, with as many executions.
    pub(crate) hostile_artifacts: u64,
}

impl Scale {
    fn of(arguments: &Arguments) -> Self {
        let seconds = Duration::from_secs;
        let quick = arguments.quick || arguments.smoke;
        if arguments.smoke {
            return Self {
                quick,
                time: Duration::from_millis(300),
                sustained: Duration::from_millis(300),
                rate: 50,
                backlog: 300,
                of_tenants: 300,
                singles: 40,
                past_events: 300,
                subscribers: 100,
                artifacts: 2_000,
                past: 1_000,
                listed: 2_000,
                beside: Duration::from_millis(150),
                hostile_artifacts: 500,
            };
        }
        if quick {
            return Self {
                quick,
                time: Duration::from_millis(1500),
                sustained: seconds(3),
                rate: 500,
                backlog: 20_000,
                of_tenants: 20_000,
                singles: 300,
                past_events: 10_000,
                subscribers: 2_000,
                artifacts: 50_000,
                past: 100_000,
                listed: arguments.listed,
                beside: seconds(3),
                hostile_artifacts: 50_000,
            };
        }
        Self {
            quick,
            time: seconds(5),
            sustained: seconds(60),
            rate: 500,
            backlog: 20_000,
            of_tenants: 100_000,
            singles: 2_000,
            past_events: 10_000,
            subscribers: 10_000,
            artifacts: 1_000_000,
            past: 5_000_000,
            listed: arguments.listed,
            beside: seconds(4),
            hostile_artifacts: 100_000,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match (&arguments.bare_route, arguments.attack.as_deref()) {
        (Some(address), _) => limits::serve_bare(address),
        (None, Some([kind, address])) => hostile::attack(kind, address),
        _ => run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            show(&format!("bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let backends = match arguments.backend.as_deref() {
        None => vec![Backend::Postgres, Backend::Sqlite],
        Some("postgres") => vec![Backend::Postgres],
        Some("sqlite") => vec![Backend::Sqlite],
        Some(other) => anyhow::bail!("there is no backend {other}"),
    };
    let scale = Scale::of(arguments);
    let runs = arguments.runs.unwrap_or(if scale.quick { 1 } else { 3 });
    let wanted = arguments.row.as_deref().unwrap_or_default();
    // One thread: the driver leaves the rest of the machine to the server and its database.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    for backend in backends {
        let mut report = Report::default();
        // What was measured is shown although a price is above its limit.
        let mut within_limits = Ok(());
        let is_all = arguments.hostile && !arguments.smoke && !arguments.quotas;
        let with_all = is_all.then_some(wanted);
        if let Some(wanted) = arguments.figures.as_deref().or(with_all) {
            let measured = hostile_figures::measure(backend, wanted, &mut report);
            runtime.block_on(unless_stopped(measured))?;
        }
        if arguments.figures.is_some() {
            let title = format!("{}, hostile requests", backend.name());
            print(&report.table(&title));
            continue;
        }
        for run in 1..=runs {
            show(&format!("{}, run {run} of {runs}", backend.name()));
            if !arguments.hostile {
                let measured = rows::measure(backend, scale, (wanted, run == 1), &mut report);
                runtime.block_on(unless_stopped(measured))?;
            }
            if arguments.hostile || arguments.smoke {
                let quotas = arguments.quotas.then_some(hostile::QUOTAS);
                let measured = hostile::measure(backend, scale, (wanted, quotas), &mut report);
                within_limits = within_limits.and(runtime.block_on(unless_stopped(measured)));
            }
        }
        if arguments.smoke && !arguments.hostile {
            runtime.block_on(unless_stopped(budget::check(backend)))?;
        } else {
            let title = format!("{}, profile `{}`", backend.name(), server::profile());
            print(&report.table(&title));
        }
        within_limits?;
    }
    Ok(())
}

/// Ends in order when the driver is told to, so that no server is left behind.
async fn unless_stopped(measured: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        done = measured => done,
        _ = terminated.recv() => anyhow::bail!("stopped"),
        _ = tokio::signal::ctrl_c() => anyhow::bail!("stopped"),
    }
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print(table: &str) {
    println!("{table}");
}
