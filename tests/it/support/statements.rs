//! The statements that servers of this process send to their databases, as the log at the level `trace` tells them.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use tokio::runtime::{Handle, Id};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, filter_fn},
    layer::{Context, SubscriberExt as _},
};

use super::variable;

/// Names the folder into which each process of a run of the tests writes the statements that it saw.
pub const FOLDER: &str = "TAKEOFF_TEST_STATEMENTS";
const TARGET: &str = "takeoff::statements";

/// The statements of the tests that record theirs. Each test has a runtime of its own.
static RECORDED: Mutex<Option<HashMap<Id, Vec<String>>>> = Mutex::new(None);

fn recorded() -> MutexGuard<'static, Option<HashMap<Id, Vec<String>>>> {
    RECORDED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A recording of the statements of this test's servers, in the order in which they were sent.
pub struct Statements(Id);

impl Statements {
    pub fn record() -> Self {
        listen();
        let id = Handle::current().id();
        recorded().get_or_insert_default().insert(id, Vec::new());
        Self(id)
    }

    /// Returns what was sent since the last call, each with its purpose before it.
    pub fn take(&self) -> Vec<String> {
        let mut recorded = recorded();
        let own = recorded.get_or_insert_default().get_mut(&self.0);
        own.map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for Statements {
    fn drop(&mut self) {
        recorded().get_or_insert_default().remove(&self.0);
    }
}

/// Begins to listen, once in a process.
pub fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        let file = variable(FOLDER).map(|folder| {
            let name = format!("{}.txt", std::process::id());
            let file = Path::new(&folder).join(name);
            let open = File::options().append(true).create(true).open(file);
            Mutex::new((open.unwrap(), HashSet::new()))
        });
        let of_statements = filter_fn(|metadata| metadata.target() == TARGET);
        let layer = Listener { file }.with_filter(of_statements);
        // A test that fails may be asked why: what its servers complain of, on standard error.
        let complaints = variable("TAKEOFF_TEST_LOG").map(|least| {
            let least: LevelFilter = least.parse().unwrap();
            tracing_subscriber::fmt::layer()
                .with_writer(std::io::stderr)
                .with_filter(least)
        });
        let subscriber = tracing_subscriber::registry().with(layer).with(complaints);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

struct Listener {
    /// Takes one line a statement, and the shapes of those that it has.
    file: Option<Mutex<(File, HashSet<String>)>>,
}

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut told = Told::default();
        event.record(&mut told);
        let short = shortened(&told.text);
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            let line = format!("{} {}", told.purpose, short.replace('\n', " "));
            if file.1.insert(without_numbers(&line)) {
                writeln!(file.0, "{line}").unwrap();
            }
        }
        if let Ok(runtime) = Handle::try_current()
            && let Some(all) = recorded().as_mut()
            && let Some(own) = all.get_mut(&runtime.id())
        {
            own.push(format!("{} {short}", told.purpose));
        }
    }
}

/// The fields of an event.
#[derive(Default)]
struct Told {
    purpose: String,
    text: String,
}

impl Visit for Told {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "purpose" => value.clone_into(&mut self.purpose),
            "text" => value.clone_into(&mut self.text),
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}
}

/// Lists of values are of many lengths; one row tells as much as a thousand.
fn shortened(text: &str) -> String {
    let mut rows: Vec<&str> = text.split("),(").collect();
    rows.dedup();
    rows.join("),(")
}

/// The same with each number as 0.
pub fn without_numbers(text: &str) -> String {
    let mut short = String::with_capacity(text.len());
    for one in text.chars() {
        match one {
            '0'..='9' if short.ends_with('0') => {}
            '0'..='9' => short.push('0'),
            other => short.push(other),
        }
    }
    short
}
