//! Refusals for the OpenAPI document; those that several routes share are described here once.

use std::collections::BTreeMap;

use utoipa::{
    IntoResponses,
    openapi::{Content, Ref, RefOr, Response},
};

/// Groups of answers, which a route names beside those of its own.
macro_rules! answers {
    ($($(#[$doc:meta])* $name:ident: $($status:literal $description:literal),+;)+) => {$(
        $(#[$doc])*
        pub(super) enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$(refusal($status, $description)),+].into()
            }
        }
    )+};
}

answers! {
    /// To a body of JSON.
    ToBody: "400" "Faulty input", "413" "Too large", "415" "Not JSON";
    /// To an id in the path.
    ToId: "400" "Not an id";
    /// To a tenant that is named.
    ToTenant: "404" "Nothing of that tenant is there";
    /// To the id of an execution.
    ToExecution: "404" "No such execution";
    /// To the id of a session.
    ToSession: "404" "No such session";
    /// To whatever a tenant asks.
    ToAny: "401" "No valid token",
        "429" "Saturated, or the tenant asks for more than its share; see `Retry-After`",
        "503" "Not available";
}

fn refusal(status: &str, description: &str) -> (String, RefOr<Response>) {
    let body = Content::new(Some(Ref::from_schema_name("ErrorBody")));
    let response = Response::builder()
        .description(description)
        .content("application/json", body)
        .build();
    (status.to_owned(), response.into())
}
