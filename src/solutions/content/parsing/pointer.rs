//! JSON Pointer (RFC 6901): which value of a document holds the records.

/// The longest pointer, in bytes.
pub const MAX_POINTER_BYTES: usize = 1_024;

/// The names and indices of a pointer, unescaped.
///
/// # Errors
/// Why it is no pointer.
pub(super) fn tokens(pointer: &str) -> Result<Vec<String>, &'static str> {
    if pointer.len() > MAX_POINTER_BYTES {
        return Err("has more than 1024 bytes");
    }
    if pointer.is_empty() {
        return Ok(Vec::new());
    }
    let Some(rest) = pointer.strip_prefix('/') else {
        return Err("is not a JSON Pointer: it begins with a slash, or is empty");
    };
    rest.split('/').map(token).collect()
}

fn token(escaped: &str) -> Result<String, &'static str> {
    let mut parts = escaped.split('~');
    let mut token = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (mark, rest) = match part.as_bytes().first() {
            Some(b'0') => ('~', &part[1..]),
            Some(b'1') => ('/', &part[1..]),
            _ => return Err("is not a JSON Pointer: a tilde is written ~0, a slash in a name ~1"),
        };
        token.push(mark);
        token.push_str(rest);
    }
    Ok(token)
}

/// The index that a token means in an array.
pub(super) fn index(token: &str) -> Option<u64> {
    let is_index = token == "0" || !token.starts_with(['0', '+']);
    is_index.then(|| token.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_names_behind_slashes() {
        assert_eq!(tokens(""), Ok(vec![]));
        assert_eq!(tokens("/"), Ok(vec![String::new()]));
        assert_eq!(
            tokens("/a~1b/m~0n/0/~01"),
            Ok(["a/b", "m~n", "0", "~1"].map(String::from).into())
        );
        for wrong in ["a", "#/a", "/~", "/~2", "/a~"] {
            assert!(tokens(wrong).is_err(), "{wrong}");
        }
        assert!(tokens(&format!("/{}", "x".repeat(MAX_POINTER_BYTES))).is_err());
    }

    #[test]
    fn an_index_has_no_leading_zero() {
        assert_eq!((index("0"), index("12")), (Some(0), Some(12)));
        for wrong in ["01", "-", "-1", "+1", "", "x"] {
            assert_eq!(index(wrong), None, "{wrong}");
        }
    }
}
