//! The operations of the command line, typed by the schema: a change of the API that breaks one of
//! them does not compile.

use graphql_client::GraphQLQuery;

/// 64-bit integers travel as text.
type BigInt = String;
/// RFC 3339.
type DateTime = String;
/// Any value.
#[expect(clippy::upper_case_acronyms, reason = "the name of the schema")]
type JSON = serde_json::Value;

macro_rules! operations {
    ($($name:ident),+ $(,)?) => {$(
        #[derive(GraphQLQuery)]
        #[graphql(
            schema_path = "schema.graphql",
            query_path = "src/cli/client/operations.graphql",
            variables_derives = "Debug, Clone",
            response_derives = "Debug, Clone, Serialize",
            skip_serializing_none
        )]
        pub(in crate::cli) struct $name;
    )+};
}

operations!(
    CancelExecution,
    CloseSession,
    CreateSession,
    CreateUpload,
    DrainNode,
    FindIntentType,
    GetArtifact,
    GetExecution,
    GetLineage,
    GetSession,
    ListArtifactIds,
    ListArtifacts,
    ListExecutionIds,
    ListExecutions,
    ListIntentTypes,
    ListNodes,
    ListSessionIds,
    ListSessions,
    RerunExecution,
    SubmitIntent,
    UndrainNode,
    WatchExecution,
    WatchSession,
);
