//! What a text names.

use async_graphql::{Context, Object};
use futures::future::try_join3;

use crate::{
    api::ApiError,
    artifact_registry::ArtifactFilter,
    executions::ExecutionFilter,
    graphql::{
        loading::Caller,
        types::{
            artifact::Artifact,
            counted::Listed,
            execution::Execution,
            node::NodeId,
            page::{MAX_SIZE, PageArgs},
            search::{SearchKind, SearchMatch, SearchResult},
        },
    },
    model::Action,
    runtime::ScheduleFilter,
    services::PageRequest,
};

/// The most characters of a text.
const MOST_CHARS: usize = 200;
/// The most results of one kind and one way.
const MOST_OF_A_KIND: u32 = 10;
/// Shorter texts are in too many names.
const LEAST_OF_A_NAME: usize = 2;

#[derive(Default)]
pub(super) struct SearchQuery;

#[Object]
impl SearchQuery {
    /// What a text names, as far as the caller may read it: first what has it as its id, then executions with it as their
    /// idempotency key, then intent types, schedules and artifacts with it in their names, newest first. At most 10 of
    /// each.
    async fn search(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "A whole id, a whole key, or 2 characters of a name or more; 200 at most."
        )]
        text: String,
        #[graphql(desc = "Results at most, 1 to 200; 50 when left out.")] first: Option<i32>,
    ) -> Result<Listed<SearchResult>, ApiError> {
        let most = PageArgs::forward(first, None).limit()?;
        let text = text.trim();
        if text.is_empty() || text.chars().count() > MOST_CHARS {
            let message = format!("text: 1 to {MOST_CHARS} characters are searched for");
            return Err(ApiError::bad_input(message));
        }
        let caller = Caller::of(ctx)?;
        let mut found: Vec<SearchResult> = by_id(caller, text).await?.into_iter().collect();
        let (executions, schedules, artifacts) = try_join3(
            by_key(caller, text),
            schedules(caller, text),
            artifacts(caller, text),
        )
        .await?;
        found.extend(executions);
        found.extend(intent_types(caller, text));
        found.extend(schedules);
        found.extend(artifacts);
        found.truncate(most as usize);
        Ok(found.into_iter().collect())
    }
}

/// What has the text as its id.
async fn by_id(caller: &Caller, text: &str) -> Result<Option<SearchResult>, ApiError> {
    let Ok(id) = NodeId::parse(&text.into(), "text") else {
        return Ok(None);
    };
    // What the caller may not read is not there.
    let may_read = match &id {
        NodeId::Intent(_) | NodeId::Execution(_) => may(caller, Action::ReadExecutions),
        NodeId::Session(_) => may(caller, Action::ReadSessions),
        NodeId::Artifact(_) => may(caller, Action::ReadArtifacts),
        NodeId::Other => false,
    };
    if !may_read {
        return Ok(None);
    }
    let node = id.load(caller).await?;
    Ok(node.map(|node| SearchResult::of_node(node, SearchMatch::Id)))
}

async fn by_key(caller: &Caller, text: &str) -> Result<Vec<SearchResult>, ApiError> {
    if !may(caller, Action::ReadExecutions) {
        return Ok(Vec::new());
    }
    let filter = ExecutionFilter {
        idempotency_key: Some(text.to_owned()),
        ..ExecutionFilter::default()
    };
    let page = PageRequest::first(MOST_OF_A_KIND);
    let executions = &caller.services.executions;
    let found = executions.list(&caller.scope, &filter, &page).await?;
    let of = |(_, execution)| {
        let node = Execution(std::sync::Arc::new(execution)).into();
        SearchResult::of_node(node, SearchMatch::Key)
    };
    Ok(found.items.into_iter().map(of).collect())
}

fn intent_types(caller: &Caller, text: &str) -> Vec<SearchResult> {
    let types = caller.services.runtime.catalog().intent_types();
    let named = types.into_iter().filter(|known| is_in(text, &known.name));
    let results =
        named.map(|known| SearchResult::named(SearchKind::IntentType, &known.name, &known.name));
    results.take(MOST_OF_A_KIND as usize).collect()
}

async fn schedules(caller: &Caller, text: &str) -> Result<Vec<SearchResult>, ApiError> {
    if !may(caller, Action::ReadExecutions) {
        return Ok(Vec::new());
    }
    let (filter, page) = (ScheduleFilter::default(), PageRequest::first(MAX_SIZE));
    let runtime = &caller.services.runtime;
    let found = runtime
        .list_schedules(&caller.scope, &filter, &page)
        .await?;
    let results = found.items.iter().filter_map(|(id, schedule)| {
        let (id, name) = (id.to_string(), schedule.name.as_deref());
        let shown = || SearchResult::named(SearchKind::Schedule, &id, name.unwrap_or(&id));
        if text == id {
            let by = SearchMatch::Id;
            return Some(SearchResult { by, ..shown() });
        }
        let is_named = name.is_some_and(|name| is_in(text, name));
        is_named.then(shown)
    });
    Ok(results.take(MOST_OF_A_KIND as usize).collect())
}

async fn artifacts(caller: &Caller, text: &str) -> Result<Vec<SearchResult>, ApiError> {
    let is_short = text.chars().count() < LEAST_OF_A_NAME;
    if is_short || !may(caller, Action::ReadArtifacts) {
        return Ok(Vec::new());
    }
    let filter = ArtifactFilter {
        name_contains: Some(text.to_owned()),
        ..ArtifactFilter::default()
    };
    let page = PageRequest::first(MOST_OF_A_KIND);
    let registry = &caller.services.artifacts;
    let found = registry.list(&caller.scope, &filter, None, &page).await?;
    let of = |(_, artifact)| {
        let node = Artifact(std::sync::Arc::new(artifact)).into();
        SearchResult::of_node(node, SearchMatch::Name)
    };
    Ok(found.items.into_iter().map(of).collect())
}

fn may(caller: &Caller, action: Action) -> bool {
    caller.principal.grants().permits_own(action)
}

/// Returns whether a name has the text in it, in whatever case.
fn is_in(text: &str, name: &str) -> bool {
    text.chars().count() >= LEAST_OF_A_NAME && name.to_lowercase().contains(&text.to_lowercase())
}
