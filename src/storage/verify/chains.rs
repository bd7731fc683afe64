//! The chains of the log. Each entry is hashed again, and must follow from the one before it; what does not is
//! looked for at the places where something is missing. The whole log of a tenant is compared with what was
//! signed by `signed`.

use std::mem;

use entity::event;
use sea_orm::QueryResult;
use uuid::Uuid;

use super::{super::Error, Difference, PAGE, View, log::Log};
use crate::{
    model::{
        ArtifactId, ChainHash, EventType, ExecutionId, KeyId, OperationId, ScheduleId, SessionId,
        StreamKind, WebhookId,
    },
    storage::{
        chain::{self, Entry},
        sql::{self, Rows, get},
    },
};

/// The most faults that are named, and entries that are kept to be looked for elsewhere.
const MAX_FAULTS: usize = 1_000;

/// What was found of the chains of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChainReport {
    /// The number of entries that have a hash.
    pub entries: u64,
    /// The number of entries that an earlier version of the server wrote, without one.
    pub unchained: u64,
    /// The number of signed checkpoints.
    pub checkpoints: u64,
    /// The number of entries that have come since the last checkpoint of their tenant.
    pub unsigned: u64,
    /// The number of entries that retention has removed and whose hashes are kept.
    pub removed: u64,
    /// What was altered, removed or put elsewhere; 1,000 at most.
    pub faults: Vec<Difference>,
}

impl ChainReport {
    pub(super) fn fault(&mut self, subject: &str, what: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(Difference {
                subject: subject.to_owned(),
                what: what.into(),
            });
        }
    }
}

/// A stream whose entries were gone through.
struct Stream {
    name: String,
    kind: i64,
    id: Uuid,
    session_id: Uuid,
    tenant_id: String,
    /// The sequence of the last entry.
    seq: i64,
    /// The hash of the last entry that has one.
    last: Option<ChainHash>,
    /// The misfit that the last entry is.
    misfit: Option<usize>,
    /// True if the last entry says that what the stream belongs to was deleted.
    is_over: bool,
}

/// An entry that does not follow from the one before it.
struct Misfit {
    name: String,
    seq: i64,
    hash: ChainHash,
    /// The hole before it, where the one before it is no fit either: if that is filled, this one follows.
    after: Option<usize>,
    /// True if what comes next follows from it: then it, or the one before it, was changed.
    is_in_place: bool,
    /// True if there is none before it whose hash it could follow from.
    is_first: bool,
}

/// A place whose entry is missing, or is not the one that was there.
struct Hole {
    name: String,
    seq: i64,
    /// True if nothing is there.
    is_empty: bool,
    next: Next,
}

/// What follows from the entry that was at a place.
enum Next {
    Entry(Box<event::Model>, ChainHash),
    /// It was the last one, and had this hash by the record that its stream belongs to.
    End(Option<ChainHash>),
}

impl Hole {
    fn fits(&self, hash: ChainHash) -> bool {
        match &self.next {
            Next::Entry(row, expected) => Entry::of(row).hash(Some(hash)) == *expected,
            Next::End(expected) => *expected == Some(hash),
        }
    }
}

/// The name of a stream, and of what it belongs to.
fn name_of(kind: i64, stream: Uuid, session: Uuid) -> String {
    match StreamKind::from_code(kind) {
        Some(StreamKind::Execution) => ExecutionId(stream).to_string(),
        Some(StreamKind::Session) => SessionId(session).to_string(),
        Some(StreamKind::Artifact) => ArtifactId(stream).to_string(),
        Some(StreamKind::Key) => KeyId(stream).to_string(),
        Some(StreamKind::Schedule) => ScheduleId(stream).to_string(),
        Some(StreamKind::Operation) => OperationId(stream).to_string(),
        Some(StreamKind::Webhook) => WebhookId(stream).to_string(),
        None => stream.to_string(),
    }
}

/// Goes through streams, one after the other.
#[derive(Default)]
struct Streams {
    misfits: Vec<Misfit>,
    holes: Vec<Hole>,
    ended: Vec<Stream>,
}

impl View<'_> {
    /// Hashes every stream again.
    pub(super) async fn verify_streams(&self, report: &mut ChainReport) -> Result<(), Error> {
        let (mut log, mut streams) = (Log::new(self), Streams::default());
        let mut stream: Option<Stream> = None;
        while let Some(row) = log.next_before(Uuid::max()).await? {
            if stream
                .as_ref()
                .is_none_or(|known| known.id != row.stream_id)
            {
                streams.ended.extend(stream.take());
                if streams.ended.len() >= MAX_FAULTS {
                    self.end_streams(&mut streams, report).await?;
                }
            }
            let known = stream.get_or_insert_with(|| Stream {
                name: name_of(row.stream_kind, row.stream_id, row.session_id),
                kind: row.stream_kind,
                id: row.stream_id,
                session_id: row.session_id,
                tenant_id: row.tenant_id.clone(),
                seq: 0,
                last: None,
                misfit: None,
                is_over: false,
            });
            streams.take(known, &row, report)?;
        }
        streams.ended.extend(stream);
        self.end_streams(&mut streams, report).await?;
        self.find_emptied(&mut streams).await?;
        streams.tell(report);
        Ok(())
    }

    /// Compares the ends of streams with the records that they belong to.
    async fn end_streams(
        &self,
        streams: &mut Streams,
        report: &mut ChainReport,
    ) -> Result<(), Error> {
        for (kind, table, key) in OWNERS {
            let of_kind = |stream: &Stream| stream.kind == kind.code();
            let (these, others) = mem::take(&mut streams.ended).into_iter().partition(of_kind);
            streams.ended = others;
            let these: Vec<Stream> = these;
            let mut rows = Rows::of(&["id", "owner", "tenant_id"]);
            for stream in &these {
                let owner = if kind == StreamKind::Session {
                    stream.session_id
                } else {
                    stream.id
                };
                rows.push(vec![
                    stream.id.into(),
                    owner.into(),
                    stream.tenant_id.as_str().into(),
                ]);
            }
            let tail = format!(
                "SELECT x.id, {key} AS next_seq, o.last_hash FROM x {} {table} o ON o.id = x.owner \
                 AND o.tenant_id = x.tenant_id",
                sql::join(self.0)
            );
            let owners = rows.query(self.0, &tail).await?;
            let owners: Vec<(Uuid, Owner)> = owners
                .iter()
                .map(|row| Ok((get(row, "id")?, Owner::of(row)?)))
                .collect::<Result<_, Error>>()?;
            let owners: std::collections::HashMap<Uuid, Owner> = owners.into_iter().collect();
            for stream in these {
                match owners.get(&stream.id) {
                    Some(owner) => streams.end(stream, owner, report),
                    None if stream.is_over => {
                        let gone = Owner {
                            next_seq: None,
                            last: stream.last,
                        };
                        streams.end(stream, &gone, report);
                    }
                    None => report.fault(&stream.name, "what the stream belongs to is not there"),
                }
            }
        }
        Ok(())
    }

    /// Looks for records whose stream ought to have entries and has none.
    async fn find_emptied(&self, streams: &mut Streams) -> Result<(), Error> {
        for (kind, table, key) in OWNERS {
            let stream = if kind == StreamKind::Session {
                "COALESCE(o.stream_id, o.id)"
            } else {
                "o.id"
            };
            let text = format!(
                "SELECT o.id, o.tenant_id, {key} AS next_seq, o.last_hash, \
                 EXISTS (SELECT 1 FROM event e WHERE e.stream_id = {stream}) AS is_told \
                 FROM {table} o WHERE (o.id, o.tenant_id) > ($1, $2) ORDER BY o.id, o.tenant_id LIMIT $3"
            );
            let mut after = (Uuid::nil(), String::new());
            loop {
                let values = [after.0.into(), after.1.as_str().into(), PAGE.into()];
                let rows = sql::query(self.0, &text, values).await?;
                let Some(last) = rows.last() else { break };
                after = (get(last, "id")?, get(last, "tenant_id")?);
                for row in &rows {
                    let owner = Owner::of(row)?;
                    let is_told: bool = get(row, "is_told")?;
                    if owner.last.is_some() && !is_told && streams.holes.len() < MAX_FAULTS {
                        let id = get(row, "id")?;
                        streams.holes.push(Hole {
                            name: name_of(kind.code(), id, id),
                            seq: owner.last_seq().unwrap_or(1),
                            is_empty: true,
                            next: Next::End(owner.last),
                        });
                    }
                }
            }
        }
        Ok(())
    }
}

/// What streams belong to: the kind, the table, and the number of the next entry where it is kept.
const OWNERS: [(StreamKind, &str, &str); 7] = [
    (StreamKind::Execution, "execution", "o.next_seq"),
    (StreamKind::Session, "session", "o.next_seq"),
    (StreamKind::Artifact, "artifact", "o.next_seq"),
    (StreamKind::Key, "api_key", "CAST(NULL AS bigint)"),
    (StreamKind::Schedule, "schedule", "o.next_seq"),
    (StreamKind::Operation, "operation", "o.next_seq"),
    (StreamKind::Webhook, "webhook", "o.next_seq"),
];

/// What the record says of its stream.
struct Owner {
    next_seq: Option<i64>,
    last: Option<ChainHash>,
}

impl Owner {
    fn of(row: &QueryResult) -> Result<Self, Error> {
        Ok(Self {
            next_seq: get(row, "next_seq")?,
            last: chain::stored(get(row, "last_hash")?)?,
        })
    }

    /// The number of the last entry, where it is kept.
    fn last_seq(&self) -> Option<i64> {
        self.next_seq.map(|next| next.saturating_sub(1))
    }
}

impl Streams {
    /// Takes the next entry of a stream.
    fn take(
        &mut self,
        stream: &mut Stream,
        row: &event::Model,
        report: &mut ChainReport,
    ) -> Result<(), Error> {
        let next = stream.seq.saturating_add(1);
        let is_gap = row.seq != next;
        stream.is_over = row.event_type == EventType::ScheduleDeleted.name();
        if row.seq > next.saturating_add(1) {
            let (first, last) = (next, row.seq - 2);
            report.fault(&stream.name, missing(first, last));
        }
        let before = mem::replace(&mut stream.seq, row.seq);
        let Some(hash) = chain::stored(row.hash.clone())? else {
            report.unchained += 1;
            if is_gap {
                let seq = row.seq.saturating_sub(1);
                report.fault(&stream.name, missing(seq, seq));
            }
            if stream.last.is_some() {
                let what = format!(
                    "entry {} has no hash, and comes after entries that have one",
                    row.seq
                );
                report.fault(&stream.name, what);
                // If no more than its hash was taken away, the next one follows from this.
                stream.last = Some(Entry::of(row).hash(stream.last));
            }
            return Ok(());
        };
        report.entries += 1;
        let follows = Entry::of(row).hash(stream.last) == hash;
        let misfit = stream.misfit.take();
        let is_first = stream.last.replace(hash).is_none();
        if follows && !is_gap {
            if let Some(misfit) = misfit {
                self.misfits[misfit].is_in_place = true;
            }
            return Ok(());
        }
        let after = if is_gap || misfit.is_some() {
            let seq = if is_gap {
                row.seq.saturating_sub(1)
            } else {
                before
            };
            self.hole(Hole {
                name: stream.name.clone(),
                seq,
                is_empty: is_gap,
                next: Next::Entry(Box::new(row.clone()), hash),
            })
        } else {
            None
        };
        // Behind a gap nothing can be said of it alone.
        if !is_gap && self.misfits.len() < MAX_FAULTS {
            stream.misfit = Some(self.misfits.len());
            self.misfits.push(Misfit {
                name: stream.name.clone(),
                seq: row.seq,
                hash,
                after,
                is_in_place: false,
                is_first,
            });
        }
        Ok(())
    }

    fn hole(&mut self, hole: Hole) -> Option<usize> {
        let at = self.holes.len();
        if at < MAX_FAULTS {
            self.holes.push(hole);
        }
        (at < MAX_FAULTS).then_some(at)
    }

    /// Compares the end of a stream with the record that it belongs to.
    fn end(&mut self, stream: Stream, owner: &Owner, report: &mut ChainReport) {
        let last = owner.last_seq().unwrap_or(stream.seq);
        if stream.seq > last {
            // One that does not follow is told of anyway.
            if stream.misfit.is_none() {
                let what = format!(
                    "entry {} comes after entry {last}, which was written last",
                    stream.seq
                );
                report.fault(&stream.name, what);
            }
        } else if stream.seq < last {
            if stream.seq + 1 < last {
                report.fault(&stream.name, missing(stream.seq + 1, last - 1));
            }
            self.hole(Hole {
                name: stream.name,
                seq: last,
                is_empty: true,
                next: Next::End(owner.last),
            });
        } else if stream.last == owner.last {
            if let Some(misfit) = stream.misfit {
                self.misfits[misfit].is_in_place = true;
            }
        } else if stream.misfit.is_some() {
            self.hole(Hole {
                name: stream.name,
                seq: stream.seq,
                is_empty: false,
                next: Next::End(owner.last),
            });
        } else {
            let what = format!("entry {} is not the one that was written last", stream.seq);
            report.fault(&stream.name, what);
        }
    }

    /// Tells of what does not fit, and of what is missing.
    fn tell(self, report: &mut ChainReport) {
        let Self { misfits, holes, .. } = self;
        let mut filled = vec![false; holes.len()];
        let elsewhere: Vec<Option<usize>> = misfits
            .iter()
            .map(|misfit| {
                let place = holes.iter().position(|hole| {
                    let is_own = hole.name == misfit.name && hole.seq == misfit.seq;
                    !misfit.is_in_place && !is_own && hole.fits(misfit.hash)
                });
                filled[place?] = true;
                place
            })
            .collect();
        for (misfit, elsewhere) in misfits.iter().zip(elsewhere) {
            let (name, seq) = (&misfit.name, misfit.seq);
            if let Some(at) = elsewhere {
                let Hole {
                    name: true_name,
                    seq: true_seq,
                    ..
                } = &holes[at];
                let what = format!("entry {seq} is entry {true_seq} of {true_name}, put elsewhere");
                report.fault(name, what);
            } else if misfit.after.is_some_and(|hole| filled[hole]) {
                // It follows from the entry that was put elsewhere.
            } else if misfit.is_in_place && misfit.is_first {
                report.fault(name, format!("entry {seq} was altered"));
            } else if misfit.is_in_place {
                let what = format!(
                    "entry {seq} does not follow from entry {}: one of them was altered",
                    seq.saturating_sub(1)
                );
                report.fault(name, what);
            } else {
                let what = format!(
                    "entry {seq} does not follow from the one before it: it was altered, or is not of this place"
                );
                report.fault(name, what);
            }
        }
        for (hole, filled) in holes.iter().zip(filled) {
            if hole.is_empty && !filled {
                report.fault(&hole.name, missing(hole.seq, hole.seq));
            }
        }
    }
}

fn missing(first: i64, last: i64) -> String {
    if first == last {
        format!("entry {first} is missing")
    } else {
        format!("the entries {first} to {last} are missing")
    }
}

#[cfg(test)]
mod tests;
