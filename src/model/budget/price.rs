//! Prices, in points. A point is at most a microsecond of processor time, of the server and its
//! database together; `scripts/bench --hostile` measures it.

use std::time::Duration;

use super::super::Usage;

/// What a core has in a second.
pub(super) const CORE: u64 = 1_000_000;
/// A request, whatever it asks for: its head, its route, its answer's head.
pub const REQUEST: u64 = 40;
/// An object of an answer.
pub const OBJECT: u64 = 4;
/// A field of an object that is no object itself.
pub const LEAF: u64 = 1;
/// A value of JSON, besides its bytes.
pub const JSON: u64 = 10;
/// A change that is made durable, with what it makes the runtime do.
pub const CHANGE: u64 = 200;
/// A field of a mutation, besides its changes: a transaction and its commit, which it may have to itself.
pub const COMMIT: u64 = 250;
/// A statement of the database, besides its rows.
pub const STATEMENT: u64 = 100;
/// The items of a list are counted by an index.
pub const COUNT: u64 = 1_000;
/// Those that fit a filter are counted among the rows.
pub const FILTERED_COUNT: u64 = 20_000;
/// A filter looks into the metadata of rows.
pub const METADATA: u64 = 20_000;
/// Counts of a tenant's executions are added up.
pub const STATS: u64 = 10_000;
/// Entries of an execution's stream are looked through for those of some types.
pub const TIMELINE: u64 = 10_000;
/// A signed link.
pub const LINK: u64 = 5;
/// Reading rows out of stored content.
pub const PREVIEW: u64 = 1_000;
/// A subscription's start, besides what it delivers.
pub const SUBSCRIPTION: u64 = 100;
/// A batch of events on its way to a subscriber, besides what is in it.
pub const DELIVERY: u64 = 20;
/// A delivery to a webhook, besides its bytes: a request that is signed, sent and answered.
pub const WEBHOOK: u64 = 200;
/// A request that costs more is a costly one, which runs on threads of its own.
pub const COSTLY: u64 = 1_000;

/// A statement costs its time beyond this, besides its rows: until then it mostly waits for its turn
/// and its way.
pub(super) const FREE_TIME: Duration = Duration::from_millis(1);

/// A row that was read.
const ROW: u64 = 8;
/// Bytes that are read or answered for 1 point.
const BYTES_OF_TEXT: u64 = 128;
/// Bytes of a document that is not known yet for 1 point.
const BYTES_OF_DOCUMENT: u64 = 3;
/// Bytes of a request's JSON for 1 point, those of a small one excepted.
const BYTES_OF_BODY: u64 = 25;
const SMALL_BODY: u64 = 1024;
/// Bytes of an upload or a download for 1 point: they are digested and stored, or verified.
const BYTES_OF_CONTENT: u64 = 128;

/// Returns the points for what a request has used, as far as it can be counted.
pub(crate) fn used(usage: &Usage) -> u64 {
    let text = usage.read_bytes.saturating_add(usage.text_bytes) / BYTES_OF_TEXT;
    let fields = usage.fields.saturating_mul(LEAF);
    let rows = usage.rows.saturating_mul(ROW);
    let statements = usage.statements.saturating_mul(STATEMENT);
    [text, fields, rows, statements, usage.slow_micros]
        .into_iter()
        .fold(0, u64::saturating_add)
}

/// Parsing and checking a document of so many bytes.
#[must_use]
pub fn document(bytes: usize) -> u64 {
    bytes as u64 / BYTES_OF_DOCUMENT
}

/// Reading a body of JSON of so many bytes.
#[must_use]
pub fn body(bytes: usize) -> u64 {
    (bytes as u64).saturating_sub(SMALL_BODY) / BYTES_OF_BODY
}

/// Returns the points for bytes of content on their way.
#[must_use]
pub fn content(bytes: usize) -> u64 {
    (bytes as u64).div_ceil(BYTES_OF_CONTENT)
}
