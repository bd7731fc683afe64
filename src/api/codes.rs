//! The one list of codes that clients see, and the document that is made of it.

/// Defines an enum of codes: each with its stable name, the status of an HTTP response that says
/// nothing else, whether the same request may succeed later, and its meaning.
macro_rules! codes {
    (
        $(#[$meta:meta])*
        pub enum $codes:ident {
            $($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $status:literal $(, $retryable:ident)?;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $codes { $($(#[doc = $doc])+ $variant,)+ }

        impl $codes {
            /// Each of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The status of an HTTP response that says nothing else.
            #[must_use]
            pub fn http_status(self) -> u16 {
                match self { $(Self::$variant => $status,)+ }
            }

            /// Returns whether the same request may succeed later.
            #[must_use]
            pub fn is_retryable(self) -> bool {
                match self { $(Self::$variant => false $(|| stringify!($retryable) == "retryable")?,)+ }
            }

            /// Returns the meaning of the code.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii_start(),)+ }
            }
        }
    };
}
pub(super) use codes;

use super::{ErrorCode, LinkCode, RefusalCode};

const HEAD: &str = "# Errors

This file is made from the code; `TAKEOFF_BLESS=1 cargo test --lib` writes it again.

Codes are stable: a client may rely on them. Messages are for people and may change. No message holds
anything of the layers below, such as SQL, paths of the server or the text of a panic; what is needed to find
the cause is in the log, under the request's id.

## Errors of a request

The top-level `errors` of a GraphQL answer, in `extensions { code requestId retryable }`, for requests that
could not be run, or of which a part could not. Over HTTP, a request that was not run has the status beside
the code when the answer is `application/graphql-response+json`; in `application/json`, a faulty document or
faulty variables are answered with 200, as GraphQL over HTTP says. Over WebSocket such a request gets an
`error` message. A query by id that finds nothing is `null`, without an error.

";

const OF_CALLERS: &str = "
## User errors

What a caller did wrong in a mutation: `errors` in the mutation's payload, each with `code`, `message` and the
`path` of the faulty input. Nothing was stored then. Some carry more: the execution that holds an idempotency
key, the current version of a state, when to come back.

";

const OF_LINKS: &str = "
## Links

The addresses that `createUpload` and `downloadUrl` give answer with `{error, error_code}`.

";

const OF_TREES: &str = "
## Errors of an execution

Why an execution failed: `error.code`. Handlers give codes of their own; those of the runtime are in
[handlers.md](handlers.md). Two say that a bound of the installation was reached, and not that the work itself is
faulty:

| code | meaning |
|---|---|
| `TREE_TOO_DEEP` | A child would have had more ancestors than `limits.tree_depth` allows. |
| `TREE_TOO_LARGE` | More executions below one would have lived at the same time than `limits.tree_executions` allows. |
";

/// `docs/errors.md`.
#[must_use]
pub fn errors_document() -> String {
    let mut text = HEAD.to_owned();
    let rows = ErrorCode::ALL.iter().map(|code| {
        row(
            code.name(),
            code.http_status(),
            code.is_retryable(),
            code.about(),
        )
    });
    text.push_str(&table(rows));
    text.push_str(OF_CALLERS);
    let rows = RefusalCode::ALL.iter().map(|code| {
        row(
            code.name(),
            code.http_status(),
            code.is_retryable(),
            code.about(),
        )
    });
    text.push_str(&table(rows));
    text.push_str(OF_LINKS);
    let rows = LinkCode::ALL.iter().map(|code| {
        row(
            code.name(),
            code.http_status(),
            code.is_retryable(),
            code.about(),
        )
    });
    text.push_str(&table(rows));
    text.push_str(OF_TREES);
    text
}

fn table(rows: impl Iterator<Item = String>) -> String {
    let head = "| code | HTTP status | worth repeating | meaning |\n|---|---|---|---|\n";
    std::iter::once(head.to_owned()).chain(rows).collect()
}

fn row(name: &str, status: u16, is_retryable: bool, about: &str) -> String {
    let repeat = if is_retryable { "yes" } else { "no" };
    format!("| `{name}` | {status} | {repeat} | {about} |\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "a switch for whoever runs the tests"
    )]
    fn the_checked_in_list_of_errors_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
        let made = errors_document();
        if std::env::var_os("TAKEOFF_BLESS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let is_same = std::fs::read_to_string(&path).unwrap_or_default() == made;
        assert!(
            is_same,
            "run the tests with TAKEOFF_BLESS=1 to write docs/errors.md again"
        );
    }

    #[test]
    fn no_two_codes_of_a_list_have_one_name() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }
}
