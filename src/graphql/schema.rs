//! The schema and its text. `schema.graphql` at the root of the project is that text; a test
//! compares the two.

use async_graphql::SDLExportOptions;

pub use super::{mutation::Mutation, query::Query, subscription::Subscription};

/// The schema of the API.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// A schema without data: every request brings its caller.
pub(super) fn schema() -> Schema {
    Schema::build(Query::default(), Mutation::default(), Subscription).finish()
}

/// The schema as text, sorted, with its descriptions.
#[must_use]
pub fn export_schema() -> String {
    let options = SDLExportOptions::new()
        .sorted_fields()
        .sorted_arguments()
        .sorted_enum_items()
        .prefer_single_line_descriptions()
        .include_specified_by()
        .use_space_ident();
    schema().sdl_with_options(options)
}
