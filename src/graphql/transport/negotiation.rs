//! Which of the forms that a client accepts an answer has.

use axum::http::{HeaderMap, header::ACCEPT};

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `application/graphql-response+json`: the status tells whether the request was run.
    GraphqlResponse,
    /// `application/json`: the status tells whether the request was understood.
    Json,
}

impl Form {
    /// The media type with its charset.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    /// The form that the client likes best; none when it accepts neither.
    pub(super) fn accepted(headers: &HeaderMap) -> Option<Self> {
        best(headers, |range| match range {
            "application/graphql-response+json" => Some(Self::GraphqlResponse),
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            _ => None,
        })
    }
}

/// Returns whether the client takes a stream of events; only one that says so does.
pub(super) fn accepts_events(headers: &HeaderMap) -> bool {
    let takes = |range: &str| matches!(range, "text/event-stream" | "text/*" | "*/*").then_some(());
    headers.contains_key(ACCEPT) && best(headers, takes).is_some()
}

/// The form that the first of the best media ranges stands for. Without a header everything is accepted.
fn best<T>(headers: &HeaderMap, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    if !headers.contains_key(ACCEPT) {
        return known("*/*");
    }
    let lines = headers.get_all(ACCEPT).iter();
    let text: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    let ranges = text.iter().flat_map(|line| line.split(','));
    let mut found: Option<(u16, T)> = None;
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let quality = parts
            .find_map(|part| part.strip_prefix("q="))
            .map_or(1000, thousandths);
        let is_better = quality > 0 && found.as_ref().is_none_or(|(best, _)| quality > *best);
        if let (true, Some(kind)) = (is_better, known(&name)) {
            found = Some((quality, kind));
        }
    }
    found.map(|(_, kind)| kind)
}

/// A quality of at most three decimals; what is none counts as the best.
fn thousandths(text: &str) -> u16 {
    let quality: f32 = text.parse().unwrap_or(1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 0 to 1000"
    )]
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u16;
    thousandths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(accept: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        headers
    }

    #[test]
    fn the_best_form_is_chosen() {
        let (new, old) = (Some(Form::GraphqlResponse), Some(Form::Json));
        for (accept, form) in [
            ("application/graphql-response+json", new),
            ("application/json", old),
            ("*/*", old),
            ("application/*;q=0.5", old),
            ("text/html, application/xhtml+xml, */*;q=0.8", old),
            (
                "application/graphql-response+json, application/json;q=0.9",
                new,
            ),
            (
                "application/graphql-response+json;q=0.5, application/json",
                old,
            ),
            ("application/json, application/graphql-response+json", old),
            ("Application/GraphQL-Response+JSON; charset=utf-8", new),
            (
                "application/json;q=0, application/graphql-response+json;q=0.1",
                new,
            ),
            ("text/html", None),
            ("application/json;q=0", None),
        ] {
            assert_eq!(Form::accepted(&headers(accept)), form, "{accept}");
        }
        assert_eq!(Form::accepted(&HeaderMap::new()), old);
    }

    #[test]
    fn events_are_for_those_who_ask() {
        assert!(accepts_events(&headers("text/event-stream")));
        assert!(accepts_events(&headers("*/*")));
        assert!(!accepts_events(&headers("application/json")));
        assert!(!accepts_events(&HeaderMap::new()));
    }
}
