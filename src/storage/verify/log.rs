//! The whole log, stream after stream, a page at a time.

use std::collections::VecDeque;

use entity::event;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{super::Error, View};
use crate::storage::sql::{self, columns};

/// Entries read at once.
const PAGE: i64 = 1000;

/// Goes through the log in the order of streams and sequences.
pub(super) struct Log<'a> {
    view: &'a View<'a>,
    page: VecDeque<event::Model>,
    after: (Uuid, i64),
    is_read: bool,
}

impl<'a> Log<'a> {
    pub(super) fn new(view: &'a View<'a>) -> Self {
        Self {
            view,
            page: VecDeque::new(),
            after: (Uuid::nil(), 0),
            is_read: false,
        }
    }

    /// The next entry of this stream.
    pub(super) async fn next_of(&mut self, stream: Uuid) -> Result<Option<event::Model>, Error> {
        self.fill().await?;
        Ok(self.page.pop_front_if(|next| next.stream_id == stream))
    }

    /// The next entry of a stream that comes before this one.
    pub(super) async fn next_before(
        &mut self,
        stream: Uuid,
    ) -> Result<Option<event::Model>, Error> {
        self.fill().await?;
        Ok(self.page.pop_front_if(|next| next.stream_id < stream))
    }

    async fn fill(&mut self) -> Result<(), Error> {
        if self.is_read || !self.page.is_empty() {
            return Ok(());
        }
        let text = format!(
            "SELECT {} FROM event e WHERE (e.stream_id, e.seq) > ($1, $2) \
             ORDER BY e.stream_id, e.seq LIMIT $3",
            columns::<event::Entity>("e")
        );
        let values = [self.after.0.into(), self.after.1.into(), PAGE.into()];
        for row in sql::query(self.view.0, &text, values).await? {
            let entry = event::Model::from_query_result(&row, "")?;
            self.after = (entry.stream_id, entry.seq);
            self.page.push_back(entry);
        }
        self.is_read = self.page.is_empty();
        Ok(())
    }
}
