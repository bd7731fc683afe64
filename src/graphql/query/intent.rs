//! Which intents the runtime knows.

use async_graphql::{Context, Object};

use crate::{
    api::ApiError,
    graphql::{error::Nullable, loading::Caller, types::intent_type::IntentType},
};

#[derive(Default)]
pub(super) struct IntentQuery;

#[Object]
impl IntentQuery {
    /// The registered intent types with their handlers, by name.
    #[expect(clippy::unused_async, reason = "resolvers are asynchronous")]
    async fn intent_types(&self, ctx: &Context<'_>) -> Result<Vec<IntentType>, ApiError> {
        let types = Caller::of(ctx)?.services.runtime.catalog().intent_types();
        Ok(types.into_iter().map(IntentType).collect())
    }

    /// One registered intent type; null when there is none of that name.
    async fn intent_type(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The type's name, e.g. `ingest_file`.")] name: String,
    ) -> Nullable<IntentType> {
        let find = |caller: &Caller| {
            let types = caller.services.runtime.catalog().intent_types();
            types
                .into_iter()
                .find(|known| known.name == name)
                .map(IntentType)
        };
        Caller::of(ctx).map(find).transpose()
    }
}
