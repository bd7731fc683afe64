//! A filtered list of executions as a file: NDJSON or CSV. Its rows are read page by page, as its reader takes them.

#![expect(unused_qualifications, reason = "the macro for parameters writes them")]

use std::{borrow::Cow, io, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{
        HeaderName,
        header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::IntoParams;

use super::{
    MAX_LIMIT, Served,
    answers::ToAny,
    body::{Caller, Parameters, id},
    error::{ErrorBody, RequestFailure},
    executions::{ExecutionBody, ListExecutions, brief, time},
    shown,
    stream::feed,
};
use crate::{
    api::{ApiError, Authenticates},
    auth::{Authenticated, proof_ended},
    executions::{ExecutionFilter, Executions},
    model::{Execution, ExecutionId, Meter, Micros, TenantScope, price},
    quotas::Quota,
    services::{Error, Page, PageRequest},
};

/// The most rows of one file; the next one goes on behind its last row.
const MOST_ROWS: u32 = 1_000_000;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Export {
    /// `ndjson` or `csv`; the first when left out.
    #[param(pattern = "^(ndjson|csv)$")]
    format: Option<String>,
    /// `created`, `running`, `completed`, `failed` or `cancelled`.
    #[param(pattern = "^(created|running|completed|failed|cancelled)$")]
    status: Option<String>,
    /// Only of intents of this type.
    intent_type: Option<String>,
    /// Only of this session.
    #[param(pattern = "^ses_[0-9a-z]{26}$")]
    session_id: Option<String>,
    /// Only those that no other execution submitted, if true.
    roots_only: Option<bool>,
    /// Only the one that a submit or a re-run with this key finds, in whatever session.
    idempotency_key: Option<String>,
    /// Only of intents whose metadata has each member of this JSON object, at most 5: texts, numbers or booleans.
    metadata: Option<String>,
    /// Only of this handler.
    handler_name: Option<String>,
    /// Only those that repeat this execution, by their ids.
    #[param(pattern = "^exe_[0-9a-z]{26}$")]
    rerun_of: Option<String>,
    /// Only those that are not running for this reason: `queue`, `retry`, `schedule`, `children`, `worker` or `limit`.
    #[param(pattern = "^(queue|retry|schedule|children|worker|limit)$")]
    waiting_for: Option<String>,
    /// Only those that failed with this code.
    error_code: Option<String>,
    /// Only those accepted after this time, as RFC 3339.
    #[param(format = DateTime)]
    created_after: Option<String>,
    /// Only those accepted before this time.
    #[param(format = DateTime)]
    created_before: Option<String>,
    /// Only those that ended after this time.
    #[param(format = DateTime)]
    finished_after: Option<String>,
    /// Only those that ended before this time.
    #[param(format = DateTime)]
    finished_before: Option<String>,
    /// `newest_first`, `oldest_first`, `last_finished_first` or `first_finished_first`; the first when left out.
    #[param(pattern = "^(newest_first|oldest_first|last_finished_first|first_finished_first)$")]
    order: Option<String>,
    /// The most rows, 1 to 1,000,000, which it is when left out.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1_000_000)]
    limit: Option<String>,
    /// Only executions after this one, the last row of an earlier file.
    #[param(pattern = "^exe_[0-9a-z]{26}$")]
    after: Option<String>,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Ndjson,
    Csv,
}

impl Format {
    fn named(name: Option<&str>) -> Result<Self, ApiError> {
        match name {
            None | Some("ndjson") => Ok(Self::Ndjson),
            Some("csv") => Ok(Self::Csv),
            Some(_) => Err(ApiError::bad_input("format is ndjson or csv")),
        }
    }

    fn headers(self) -> [(HeaderName, &'static str); 3] {
        let (media_type, disposition) = match self {
            Self::Ndjson => (
                "application/x-ndjson",
                "attachment; filename=\"executions.ndjson\"",
            ),
            Self::Csv => (
                "text/csv; charset=utf-8; header=present",
                "attachment; filename=\"executions.csv\"",
            ),
        };
        [
            (CONTENT_TYPE, media_type),
            (CONTENT_DISPOSITION, disposition),
            (CACHE_CONTROL, "no-store"),
        ]
    }
}

/// The columns of CSV.
const COLUMNS: [&str; 12] = [
    "execution_id",
    "intent_id",
    "intent_type",
    "handler_name",
    "session_id",
    "status",
    "attempt",
    "error_code",
    "error_message",
    "created_at",
    "started_at",
    "finished_at",
];

/// The tenant's executions that fit, as a file with a line for each. It ends with the last one, or after `limit` lines:
/// then the id of the last one, as `after`, goes on behind it. An answer that breaks off has no end of its body.
#[utoipa::path(get, path = "/api/execution/export", tag = "execution", params(Export), responses(
    (status = 200, description = "A line each; of CSV the first line has the names of the columns", content(
        (ExecutionBody = "application/x-ndjson"), (String = "text/csv"),
    )),
    (status = 400, description = "Faulty input", body = ErrorBody),
    ToAny,
))]
pub(super) async fn export(
    State(served): State<Served>,
    Caller(principal): Caller,
    Extension(caller): Extension<Authenticated>,
    Parameters(asked): Parameters<Export>,
) -> Result<Response, RequestFailure> {
    let format = Format::named(asked.format.as_deref())?;
    let left = rows(asked.limit.as_deref())?;
    let after = asked.after.as_deref().map(id).transpose()?;
    let filter = asked.filter()?;
    let quotas = &served.services.quotas;
    let hold = quotas.open(principal.tenant(), Quota::Subscriptions).await;
    let hold = hold.map_err(ApiError::from)?;
    let (meter, reads) = feed(&served, &principal);
    let file = File {
        executions: served.services.executions.clone(),
        scope: principal.metered(Arc::clone(&reads)).scope(),
        filter,
        format,
        meter,
        reads,
        left,
    };
    // Before the answer begins, so that a refusal is one.
    let first = file.page(after).await?;
    let (stop, clock) = (served.stop.clone(), served.authenticator().clock().clone());
    let until = async move {
        tokio::select! {
            () = stop.cancelled() => "the server stops",
            () = proof_ended(Some(caller), clock) => "the proof has ended",
        }
    };
    let lines = file.lines(first, until).map(move |line| {
        // The place is held as long as there is an answer.
        let _hold = &hold;
        line
    });
    Ok((format.headers(), Body::from_stream(lines)).into_response())
}

/// The most rows that are asked for.
fn rows(asked: Option<&str>) -> Result<u32, ApiError> {
    let number = asked.map_or(Some(MOST_ROWS), |text| text.parse().ok());
    number
        .filter(|number| (1..=MOST_ROWS).contains(number))
        .ok_or_else(|| ApiError::bad_input(format!("limit is 1 to {MOST_ROWS}")))
}

impl Export {
    fn filter(self) -> Result<ExecutionFilter, RequestFailure> {
        let members = |text: String| {
            serde_json::from_str::<Map<String, Value>>(&text)
                .map_err(|_| ApiError::bad_input("metadata is a JSON object"))
        };
        let created_after = time(self.created_after.as_deref(), "created_after")?;
        let created_before = time(self.created_before.as_deref(), "created_before")?;
        let list = ListExecutions {
            status: self.status,
            intent_type: self.intent_type,
            session_id: self.session_id,
            roots_only: self.roots_only,
            idempotency_key: self.idempotency_key,
            metadata: self.metadata.map(members).transpose()?,
            handler_name: self.handler_name,
            rerun_of: self.rerun_of,
            waiting_for: self.waiting_for,
            error_code: self.error_code,
            finished_after: self.finished_after,
            finished_before: self.finished_before,
            order: self.order,
            ..ListExecutions::default()
        };
        Ok(ExecutionFilter {
            created_after,
            created_before,
            ..list.filter()?
        })
    }
}

/// A file that is being written.
struct File {
    executions: Executions,
    scope: TenantScope,
    filter: ExecutionFilter,
    format: Format,
    meter: Arc<Meter>,
    /// Counts the reads.
    reads: Arc<Meter>,
    /// The rows that there may be yet.
    left: u32,
}

impl File {
    /// A page of rows, in its tenant's turn.
    async fn page(
        &self,
        after: Option<ExecutionId>,
    ) -> Result<Page<ExecutionId, Execution>, Error> {
        self.reads.renew();
        self.meter.begin().await;
        let request = PageRequest {
            after,
            ..PageRequest::first(MAX_LIMIT.min(self.left))
        };
        let executions = &self.executions;
        Ok(executions.list(&self.scope, &self.filter, &request).await?)
    }

    /// All lines, page by page: each page is paid before the next one is read. Whatever goes wrong breaks the answer off.
    fn lines(
        mut self,
        first: Page<ExecutionId, Execution>,
        until: impl Future<Output = &'static str> + Send,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send {
        async_stream::try_stream! {
            let mut until = std::pin::pin!(until);
            if self.format == Format::Csv {
                yield csv_line(&COLUMNS.map(Cow::from)).into();
            }
            let mut page = first;
            loop {
                let text = self.text_of(&page)?;
                if !text.is_empty() {
                    yield text;
                }
                let next = page.end.filter(|_| page.has_next && self.left > 0);
                let Some(next) = next else { return };
                let reading = async {
                    self.meter.out_of_debt().await;
                    self.page(Some(next)).await
                };
                page = tokio::select! {
                    biased;
                    reason = &mut until => Err(io::Error::other(reason)),
                    read = reading => read.map_err(io::Error::other),
                }?;
            }
        }
    }

    /// The lines of a page, which is paid.
    fn text_of(&mut self, page: &Page<ExecutionId, Execution>) -> io::Result<Bytes> {
        let mut text = Vec::new();
        for (_, execution) in &page.items {
            match self.format {
                Format::Ndjson => {
                    serde_json::to_writer(&mut text, &brief(execution))?;
                    text.push(b'\n');
                }
                Format::Csv => text.extend(csv_line(&cells(execution)).into_bytes()),
            }
        }
        let count = u32::try_from(page.items.len()).unwrap_or(u32::MAX);
        self.left = self.left.saturating_sub(count);
        self.meter
            .charge(price::DELIVERY + price::OBJECT * u64::from(count));
        self.meter.renew();
        Ok(text.into())
    }
}

fn cells(execution: &Execution) -> [Cow<'_, str>; COLUMNS.len()] {
    let error = execution.error.as_ref();
    let time = |time: Option<Micros>| time.map(shown).unwrap_or_default().into();
    [
        execution.id.to_string().into(),
        execution.intent.id.to_string().into(),
        execution.intent.intent_type.as_str().into(),
        execution.handler_name.as_str().into(),
        execution.intent.session_id.to_string().into(),
        execution.status.name().into(),
        execution.attempt.to_string().into(),
        error.map_or("", |error| &error.code).into(),
        error.map_or("", |error| &error.message).into(),
        time(Some(execution.created_at)),
        time(execution.started_at),
        time(execution.finished_at),
    ]
}

/// A line of CSV (RFC 4180). A cell that a spreadsheet would run as a formula gets an apostrophe before it.
fn csv_line(cells: &[Cow<'_, str>]) -> String {
    let mut line = String::new();
    for (number, cell) in cells.iter().enumerate() {
        if number > 0 {
            line.push(',');
        }
        let is_run =
            cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
        let is_quoted = is_run || cell.contains(['"', ',', '\n', '\r']);
        if !is_quoted {
            line.push_str(cell);
            continue;
        }
        line.push('"');
        if is_run {
            line.push('\'');
        }
        line.push_str(&cell.replace('"', "\"\""));
        line.push('"');
    }
    line.push_str("\r\n");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_spreadsheets_would_run_are_text() {
        let line = |cell: &str| csv_line(&[Cow::from(cell), Cow::from("b")]);
        for cell in [
            "=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1", "\n=1", "＝1+1",
        ] {
            assert_eq!(line(cell), format!("\"'{cell}\",b\r\n"));
        }
        assert_eq!(
            line("=HYPERLINK(\"x\",\"y\")"),
            "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\",b\r\n"
        );
        assert_eq!(line("a = 1"), "a = 1,b\r\n");
        assert_eq!(line("one, \"two\""), "\"one, \"\"two\"\"\",b\r\n");
        assert_eq!(line("one\ntwo"), "\"one\ntwo\",b\r\n");
        assert_eq!(line(""), ",b\r\n");
    }

    #[test]
    fn what_is_written_is_read_again_by_others() {
        let cells = ["a", "", "x,\"y\"", "two\r\nlines", "ü"];
        let line = csv_line(&cells.map(Cow::from));
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false);
        let rows: Vec<_> = reader.from_reader(line.as_bytes()).records().collect();
        let row: Vec<_> = rows[0].as_ref().unwrap().iter().collect();
        assert_eq!((rows.len(), row), (1, cells.to_vec()));
    }
}
