//! Ids as a terminal shows them: the end of an id is enough for every command.

use super::{
    client::{
        Client,
        operations::{
            ListArtifactIds, ListExecutionIds, ListSessionIds, list_artifact_ids,
            list_execution_ids, list_session_ids,
        },
    },
    field::text,
    paging::Part,
};

/// The kind of a record, as its id tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Execution,
    Artifact,
    Session,
}

/// Among so many pages of the newest the end of an id is looked for.
const PAGES: usize = 5;
const PAGE: i64 = 200;
/// Fewer characters than this name nothing.
const FEWEST: usize = 4;

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Self::Execution => "exe_",
            Self::Artifact => "art_",
            Self::Session => "ses_",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::Artifact => "artifact",
            Self::Session => "session",
        }
    }

    /// The whole id that `text` names: itself, or that of the one among the newest that ends with it.
    pub(super) async fn whole(self, client: &Client, text: &str) -> anyhow::Result<String> {
        let Some(end) = self.end(text) else {
            return Ok(text.to_owned());
        };
        let (mut found, mut after) = (Vec::new(), None);
        for _ in 0..PAGES {
            let (ids, next) = self.page(client, after).await?;
            found.extend(ids.into_iter().filter(|id| id.ends_with(end)));
            after = next;
            if after.is_none() {
                break;
            }
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => anyhow::bail!("no {} among the newest ends with {end}", self.word()),
            several => anyhow::bail!("{end} is the end of {}", several.join(" and ")),
        }
    }

    /// The end of an id, if `text` is no more than that.
    fn end(self, text: &str) -> Option<&str> {
        let rest = text.strip_prefix(self.prefix()).unwrap_or(text);
        let rest = rest.trim_start_matches('…').trim_start_matches('.');
        let is_end = (FEWEST..26).contains(&rest.len())
            && rest
                .bytes()
                .all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        is_end.then_some(rest)
    }

    async fn page(
        self,
        client: &Client,
        after: Option<String>,
    ) -> anyhow::Result<(Vec<String>, Option<String>)> {
        macro_rules! ids {
            ($operation:ident, $module:ident, $field:ident) => {{
                let variables = $module::Variables {
                    first: Some(PAGE),
                    after,
                };
                Part::of(&client.run::<$operation>(variables).await?.$field)?
            }};
        }
        let page = match self {
            Self::Execution => ids!(ListExecutionIds, list_execution_ids, executions),
            Self::Artifact => ids!(ListArtifactIds, list_artifact_ids, artifacts),
            Self::Session => ids!(ListSessionIds, list_session_ids, sessions),
        };
        let ids = page.items.iter().map(|node| text(node, "id").to_owned());
        Ok((ids.collect(), page.next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_id_is_told_from_a_whole_one() {
        let end = |text| Kind::Execution.end(text);
        for text in [
            "exe_…v300gh",
            "…v300gh",
            "v300gh",
            "exe_...v300gh",
            "exe_v300gh",
        ] {
            assert_eq!(end(text), Some("v300gh"), "{text}");
        }
        let whole = "exe_01m8abcdefghjkmnpqrstvwxyz";
        let uuid = "019a3f00-0000-7000-8000-000000000000";
        for text in [whole, uuid, "abc", "art_…v300gh", ""] {
            assert_eq!(end(text), None, "{text}");
        }
    }
}
