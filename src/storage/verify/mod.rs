//! The log against the state: executions and artifacts are rebuilt from the log alone and compared
//! with their rows. Whatever differs is reported; nothing is changed.
//!
//! Everything is read in pages of a bounded number of rows, each found by an index, so that no statement
//! takes longer than others, however long the log is. All pages are of one moment.

mod artifacts;
mod chains;
mod executions;
mod log;
mod places;
mod signed;
mod told;

use std::fmt;

use sea_orm::DatabaseTransaction;

use super::{Error, Storage};
use crate::model::KeptCheckpoint;
pub use chains::ChainReport;
use signed::IsSigned;

/// Rows read at once; of the log more, for its rows are many.
const PAGE: i64 = 500;

/// The number of streams without an owner that are named.
const MAX_ORPHANS: usize = 1000;

/// A place where log and state do not agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The execution or artifact.
    pub subject: String,
    /// The difference.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.what)
    }
}

/// The numbers of what was compared, and the differences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The number of executions.
    pub executions: u64,
    /// The number of artifacts.
    pub artifacts: u64,
    /// The number of entries of the log.
    pub events: u64,
    /// Empty when log and state agree.
    pub differences: Vec<Difference>,
}

impl Report {
    fn differ(&mut self, subject: impl fmt::Display, what: impl Into<String>) {
        self.differences.push(Difference {
            subject: subject.to_string(),
            what: what.into(),
        });
    }
}

impl Storage {
    /// Compares log and state of all tenants, as they are at one moment.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read at all.
    pub async fn verify(&self) -> Result<Report, Error> {
        let snapshot = self.db.reader.whole.snapshot().await?;
        let mut report = Report::default();
        let view = View(&snapshot);
        let told = view.verify_executions(&mut report).await?;
        view.verify_artifacts(told, &mut report).await?;
        view.verify_places(&mut report).await?;
        Ok(report)
    }

    /// Hashes the log of all tenants again, as it is at one moment, and compares it with itself, with the records
    /// that its streams belong to, with its checkpoints, which `is_signed` has to accept if there is any, and
    /// with those that were `kept` elsewhere.
    ///
    /// # Errors
    /// When the database does not answer, or a row cannot be read at all.
    pub async fn verify_chain(
        &self,
        is_signed: Option<IsSigned<'_>>,
        kept: &[KeptCheckpoint],
    ) -> Result<ChainReport, Error> {
        let snapshot = self.db.reader.whole.snapshot().await?;
        let mut report = ChainReport::default();
        let view = View(&snapshot);
        view.verify_streams(&mut report).await?;
        view.verify_signed(is_signed, &mut report).await?;
        view.verify_removed(is_signed, &mut report).await?;
        view.verify_kept(kept, &mut report).await?;
        Ok(report)
    }
}

/// The database at one moment.
struct View<'a>(&'a DatabaseTransaction);

/// Says that `field` differs, when it does.
fn field<T: PartialEq + fmt::Debug>(
    report: &mut Report,
    subject: impl fmt::Display,
    name: &str,
    told: &T,
    stored: &T,
) {
    if told != stored {
        report.differ(
            subject,
            format!("{name} is {stored:?} and was {told:?} by the log"),
        );
    }
}
