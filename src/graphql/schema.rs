//! The schema and its text. `schema.graphql` at the root of the project is that text; a test
//! compares the two.

use async_graphql::{SDLExportOptions, ValidationMode};

pub use super::{mutation::Mutation, query::Query, subscription::Subscription};

/// The schema of the API.
pub type Schema = async_graphql::Schema<Query, Mutation, Subscription>;

/// A schema without data: every request brings its caller.
pub(super) fn schema() -> Schema {
    // The gate has validated what comes here, and more strictly.
    Schema::build(Query::default(), Mutation::default(), Subscription)
        .validation_mode(ValidationMode::Fast)
        .finish()
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    const EVERYTHING: &str = "{ __schema { types { name description
        fields { name description args { name description } }
        inputFields { name description }
        enumValues { name description } } } }";

    /// Everything that has no description, by its path.
    fn undescribed(at: &str, thing: &Value, found: &mut Vec<String>) {
        let path = format!("{at}/{}", thing["name"].as_str().unwrap());
        if thing["description"].as_str().is_none_or(str::is_empty) {
            found.push(path.clone());
        }
        for members in ["fields", "args", "inputFields", "enumValues"] {
            for member in thing[members].as_array().into_iter().flatten() {
                undescribed(&path, member, found);
            }
        }
    }

    #[tokio::test]
    async fn everything_is_described() {
        let answer = schema().execute(EVERYTHING).await;
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        let data = answer.data.into_json().unwrap();
        let types = data["__schema"]["types"].as_array().unwrap();
        // Introspection and the library's own scalar `ID` are not this schema's to describe.
        let own = |kind: &&Value| {
            let name = kind["name"].as_str().unwrap();
            !name.starts_with("__") && name != "ID"
        };
        let mut found = Vec::new();
        for kind in types.iter().filter(own) {
            undescribed("", kind, &mut found);
        }
        assert!(types.len() > 80 && found.is_empty(), "{found:#?}");
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for whoever runs the tests"
    )]
    fn the_checked_in_schema_is_the_one_that_is_served() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.graphql");
        let served = export_schema();
        if std::env::var_os("TAKEOFF_BLESS").is_some() {
            std::fs::write(&path, &served).unwrap();
        }
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        let is_same = checked_in == served;
        assert!(
            is_same,
            "run the tests with TAKEOFF_BLESS=1 to write schema.graphql again"
        );
    }

    #[tokio::test]
    async fn without_a_principal_nothing_is_answered() {
        for query in ["{ viewer { tenantId } }", "{ runtime { version } }"] {
            let answer = schema().execute(query).await;
            let error = answer.errors.first().unwrap();
            let code = error.extensions.as_ref().unwrap().get("code");
            assert_eq!(code, Some(&"UNAUTHENTICATED".into()), "{query}");
        }
    }
}
