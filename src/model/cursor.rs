//! The place of an event in its execution's stream and in the feeds of its session and tenant.
//!
//! One cursor serves all three kinds of subscription: the stream reads `seq`, the feeds read
//! `(tx, ord)`. Clients treat it as opaque.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// A position in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Cursor {
    /// The transaction that wrote the event: a number that grows in commit-visible order.
    pub tx: i64,
    /// The event's place within that transaction.
    pub ord: i64,
    /// The event's sequence within its execution.
    pub seq: i64,
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed cursor")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = format!("v1.{}.{}.{}", self.tx, self.ord, self.seq);
        f.write_str(&URL_SAFE_NO_PAD.encode(plain))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let plain = String::from_utf8(bytes).map_err(|_| CursorError)?;
        let mut parts = plain.strip_prefix("v1.").ok_or(CursorError)?.split('.');
        let mut next = || {
            let number: i64 = parts.next()?.parse().ok()?;
            (number >= 0).then_some(number)
        };
        let cursor = match (next(), next(), next()) {
            (Some(tx), Some(ord), Some(seq)) => Self { tx, ord, seq },
            _ => return Err(CursorError),
        };
        if parts.next().is_some() {
            Err(CursorError)
        } else {
            Ok(cursor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_is_read_back(tx in 0..i64::MAX, ord in 0..i64::MAX, seq in 0..i64::MAX) {
            let cursor = Cursor { tx, ord, seq };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            let _ = text.parse::<Cursor>();
        }
    }

    #[test]
    fn garbage_is_refused() {
        for bad in ["", "v1.1.2.3", "djEuMS4y", "djEuMS4yLjMuNA", "djEuLTEuMi4z"] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad}");
        }
    }
}
