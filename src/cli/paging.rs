//! Lists of the API, page by page.

use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    field::text,
    output::{self, Line},
};

/// Items of the largest page.
const LARGEST: usize = 200;

/// Which part of a list to show.
#[derive(Debug, Clone, Args)]
pub(super) struct Paging {
    /// The most items, newest first.
    #[arg(long, default_value_t = 50)]
    limit: usize,
    /// Go on after this cursor, which an earlier call named.
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// All of them, however many.
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

/// Part of a list.
pub(super) struct Part {
    /// Its items.
    pub(super) items: Vec<Value>,
    /// Where the next part begins, if there is one.
    pub(super) next: Option<String>,
    /// The number of items of the whole list, where the page has it.
    total: Value,
}

impl Part {
    /// A page as the API gives it.
    pub(super) fn of(connection: &impl Serialize) -> anyhow::Result<Self> {
        let mut page = serde_json::to_value(connection)?;
        let info = &page["pageInfo"];
        let next = (info["hasNextPage"] == true).then(|| text(info, "endCursor").to_owned());
        let items = match page["nodes"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        };
        Ok(Self {
            items,
            next,
            total: page["totalCount"].take(),
        })
    }

    /// Shows it: as JSON, or some lines an item; then where the list goes on, beside the output.
    pub(super) fn say(&self, is_json: bool, what: &str, lines: impl Fn(&Value) -> Vec<Line>) {
        if is_json {
            output::say_json(&self.items, true);
        } else {
            let lines = self.items.iter().flat_map(lines);
            lines.for_each(|line| output::say(&line));
            if self.items.is_empty() {
                output::complain(&format!("there are no {what}"));
            }
        }
        match &self.next {
            Some(after) if is_json => {
                output::complain_json(&json!({"more": {"after": after, "total": self.total}}));
            }
            Some(after) => {
                let (shown, all) = (output::grouped(self.items.len() as u64), self.all());
                output::complain(&format!("{shown} of {all}; more: --after {after}"));
            }
            None => {}
        }
    }

    /// Returns the number of items in all, in words.
    fn all(&self) -> String {
        let counted = self.total["count"].as_u64().unwrap_or_default();
        if self.total["exact"] == true {
            return output::grouped(counted);
        }
        let known = counted.max(self.items.len() as u64);
        format!("at least {}", output::grouped(known))
    }
}

impl Paging {
    /// The part of a list that is wanted, page by page.
    pub(super) async fn collect(
        &self,
        mut page: impl AsyncFnMut(i64, Option<String>) -> anyhow::Result<Part>,
    ) -> anyhow::Result<Part> {
        let most = if self.all { usize::MAX } else { self.limit };
        let mut all = Part {
            items: Vec::new(),
            next: self.after.clone(),
            total: Value::Null,
        };
        loop {
            let wanted = (most - all.items.len()).min(LARGEST);
            let more = page(i64::try_from(wanted)?, all.next.take()).await?;
            all.items.extend(more.items);
            all.next = more.next;
            if all.total.is_null() {
                all.total = more.total;
            }
            if all.next.is_none() || all.items.len() >= most {
                return Ok(all);
            }
        }
    }
}
