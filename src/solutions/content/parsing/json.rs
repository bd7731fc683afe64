//! Reads JSON text value by value, to the letter: a value is checked, copied without the white space
//! between its tokens, and nothing else changes — numbers keep their digits, objects their order.
//!
//! Recursion is bounded by [`MAX_DEPTH`], so no nesting overflows the stack, and what passes here
//! passes `serde_json` too.

use std::borrow::Cow;

use super::{
    error::Fault,
    kinds::Kinds,
    literal::{kind_of_number, kind_of_text},
    number::{Exactness, exactness, number_length},
};

/// The depth to which arrays and objects may nest, the document included.
pub const MAX_DEPTH: usize = 100;

/// The treatment of numbers that neither `i64` nor `f64` holds exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InexactNumbers {
    /// They stay as they are written.
    Keep,
    /// They become strings, for readers that would round them.
    Quote,
}

/// One member of an object.
pub(super) struct Member<'a, 'b> {
    /// The name, unescaped.
    pub name: Cow<'a, str>,
    /// Where the name stands in the text.
    pub offset: usize,
    pub kind: Kinds,
    /// The value as it was appended to the output.
    pub value: &'b [u8],
}

/// A place in a JSON text.
pub(super) struct Scanner<'a> {
    text: &'a str,
    position: usize,
    depth: usize,
    inexact: InexactNumbers,
}

impl<'a> Scanner<'a> {
    pub fn new(text: &'a str) -> Self {
        Self {
            text,
            position: 0,
            depth: 0,
            inexact: InexactNumbers::Keep,
        }
    }

    pub fn with_inexact_numbers(text: &'a str, inexact: InexactNumbers) -> Self {
        Self {
            inexact,
            ..Self::new(text)
        }
    }

    pub fn position(&self) -> usize {
        self.position
    }

    /// The next byte that is not white space, without taking it.
    pub fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.position..];
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.position += rest.iter().take_while(blank).count();
        self.text.as_bytes().get(self.position).copied()
    }

    /// Refuses anything but white space from here on.
    pub fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.fault("text after the end of the value")),
        }
    }

    /// Takes one value and appends it to `out`; returns its kind.
    pub fn value(&mut self, out: &mut Vec<u8>) -> Result<Kinds, Fault> {
        match self.peek() {
            Some(b'{') => self.object(out, &mut |_| Ok(())).map(|()| Kinds::OBJECT),
            Some(b'[') => self.array(out),
            Some(b'"') => Ok(self.string(out)?.1),
            Some(b'-' | b'0'..=b'9') => self.number(out),
            Some(b't') => self.word(out, "true", Kinds::BOOLEAN),
            Some(b'f') => self.word(out, "false", Kinds::BOOLEAN),
            Some(b'n') => self.word(out, "null", Kinds::NULL),
            Some(_) => Err(self.fault("a value was expected")),
            None => Err(self.fault("the text ends where a value was expected")),
        }
    }

    /// Takes one object, appends it to `out` and shows each member to `visit`.
    pub fn object(
        &mut self,
        out: &mut Vec<u8>,
        visit: &mut dyn FnMut(Member<'a, '_>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.open(b'{')?;
        out.push(b'{');
        let mut is_first = true;
        while self.goes_on(b'}', is_first, out)? {
            is_first = false;
            let (name, offset) = self.name(out)?;
            let start = out.len();
            let kind = self.value(out)?;
            visit(Member {
                name,
                offset,
                kind,
                value: &out[start..],
            })?;
        }
        out.push(b'}');
        Ok(())
    }

    /// Takes a member's name with the colon after it and appends them to `out`; the name, unescaped,
    /// and where it stands.
    pub fn name(&mut self, out: &mut Vec<u8>) -> Result<(Cow<'a, str>, usize), Fault> {
        if self.peek() != Some(b'"') {
            return Err(self.fault("a name in quotes was expected"));
        }
        let offset = self.position;
        let raw = self.string(out)?.0;
        let name = self.unescaped(raw, offset)?;
        self.punctuation(b':', "a colon was expected after a name")?;
        out.push(b':');
        Ok((name, offset))
    }

    /// Takes one value and forgets it; `scratch` holds no more of it than one text or number.
    pub fn skip(&mut self, scratch: &mut Vec<u8>) -> Result<(), Fault> {
        scratch.clear();
        let closing = match self.peek() {
            Some(b'{') => b'}',
            Some(b'[') => b']',
            _ => return self.value(scratch).map(|_| ()),
        };
        self.open(if closing == b'}' { b'{' } else { b'[' })?;
        let mut is_first = true;
        while self.goes_on(closing, is_first, scratch)? {
            is_first = false;
            if closing == b'}' {
                self.name(scratch)?;
            }
            self.skip(scratch)?;
        }
        Ok(())
    }

    fn array(&mut self, out: &mut Vec<u8>) -> Result<Kinds, Fault> {
        self.open(b'[')?;
        out.push(b'[');
        let mut is_first = true;
        while self.goes_on(b']', is_first, out)? {
            is_first = false;
            self.value(out)?;
        }
        out.push(b']');
        Ok(Kinds::ARRAY)
    }

    /// Enters an array or object.
    pub fn open(&mut self, bracket: u8) -> Result<(), Fault> {
        self.punctuation(bracket, "an opening bracket was expected")?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            self.position -= 1;
            return Err(self.fault(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    /// Returns whether another element follows, its comma taken; else takes the closing bracket.
    pub fn goes_on(
        &mut self,
        closing: u8,
        is_first: bool,
        out: &mut Vec<u8>,
    ) -> Result<bool, Fault> {
        match self.peek() {
            Some(byte) if byte == closing => {
                self.position += 1;
                self.depth -= 1;
                Ok(false)
            }
            Some(_) if is_first => Ok(true),
            Some(b',') => {
                self.position += 1;
                if self.peek() == Some(closing) {
                    return Err(self.fault("a comma before a closing bracket"));
                }
                out.push(b',');
                Ok(true)
            }
            Some(_) => Err(self.fault("a comma or a closing bracket was expected")),
            None => Err(self.fault("the text ends inside an array or object")),
        }
    }

    fn punctuation(&mut self, expected: u8, reason: &str) -> Result<(), Fault> {
        if self.peek() != Some(expected) {
            return Err(self.fault(reason));
        }
        self.position += 1;
        Ok(())
    }

    fn word(&mut self, out: &mut Vec<u8>, word: &str, kind: Kinds) -> Result<Kinds, Fault> {
        if !self.text[self.position..].starts_with(word) {
            return Err(self.fault("a value was expected"));
        }
        out.extend_from_slice(word.as_bytes());
        self.position += word.len();
        Ok(kind)
    }

    fn number(&mut self, out: &mut Vec<u8>) -> Result<Kinds, Fault> {
        let rest = &self.text[self.position..];
        let length = number_length(rest.as_bytes()).ok_or_else(|| self.fault("not a number"))?;
        let literal = &rest[..length];
        let quoted =
            self.inexact == InexactNumbers::Quote && exactness(literal) == Exactness::Neither;
        self.position += length;
        if quoted {
            out.push(b'"');
        }
        out.extend_from_slice(literal.as_bytes());
        if quoted {
            out.push(b'"');
        }
        Ok(kind_of_number(literal))
    }

    /// Takes a string: its text between the quotes, still escaped, and its kind.
    fn string(&mut self, out: &mut Vec<u8>) -> Result<(&'a str, Kinds), Fault> {
        let start = self.position + 1;
        let bytes = self.text.as_bytes();
        let mut end = start;
        let mut escaped = false;
        loop {
            match bytes.get(end) {
                None => return Err(self.fault("a string is opened here and never closed")),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += self.escape_length(end)?;
                }
                Some(..0x20) => return Err(Fault::new(end, "a control character in a string")),
                Some(_) => end += 1,
            }
        }
        let inner = &self.text[start..end];
        out.extend_from_slice(&bytes[self.position..=end]);
        self.position = end + 1;
        Ok((
            inner,
            if escaped {
                Kinds::STRING
            } else {
                kind_of_text(inner)
            },
        ))
    }

    fn escape_length(&self, at: usize) -> Result<usize, Fault> {
        let bytes = self.text.as_bytes();
        match bytes.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
            Some(b'u') => match code_unit(&bytes[at..]) {
                Some(0xD800..=0xDBFF) => match code_unit(&bytes[at + 6..]) {
                    Some(0xDC00..=0xDFFF) => Ok(12),
                    _ => Err(Fault::new(at, "half of a surrogate pair")),
                },
                Some(0xDC00..=0xDFFF) => Err(Fault::new(at, "half of a surrogate pair")),
                Some(_) => Ok(6),
                None => Err(Fault::new(
                    at,
                    "four hexadecimal digits were expected after \\u",
                )),
            },
            _ => Err(Fault::new(at, "an escape that JSON does not have")),
        }
    }

    fn unescaped(&self, raw: &'a str, offset: usize) -> Result<Cow<'a, str>, Fault> {
        if !raw.contains('\\') {
            return Ok(Cow::Borrowed(raw));
        }
        let quoted = &self.text[offset..offset + raw.len() + 2];
        serde_json::from_str(quoted)
            .map(Cow::Owned)
            .map_err(|_| Fault::new(offset, "a name that cannot be unescaped"))
    }

    fn fault(&self, reason: impl Into<String>) -> Fault {
        Fault::new(self.position, reason)
    }
}

/// The value of the `\uXXXX` that `bytes` begin with.
fn code_unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compact(text: &str) -> Result<String, Fault> {
        let mut scanner = Scanner::new(text);
        let mut out = Vec::new();
        scanner.value(&mut out)?;
        scanner.end()?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn only_white_space_between_tokens_is_dropped() {
        let text = "{ \"b\" : [ 1.10 , 12345678901234567890123 ] ,\n\t\"a\": \" x \\u00e9\" }";
        assert_eq!(
            compact(text).unwrap(),
            "{\"b\":[1.10,12345678901234567890123],\"a\":\" x \\u00e9\"}"
        );
    }

    #[test]
    fn faults_are_where_they_are() {
        let cases = [
            ("{\"a\":1,}", 7),
            ("[1 2]", 3),
            ("[1", 2),
            ("\"ab", 0),
            ("\"a\\x\"", 2),
            ("\"\\ud800\"", 1),
            ("\"a\tb\"", 2),
            ("[01]", 1),
            ("{a:1}", 1),
            ("{\"a\" 1}", 5),
            ("1 1", 2),
            ("", 0),
        ];
        for (text, offset) in cases {
            assert_eq!(compact(text).unwrap_err().offset, offset, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_without_recursion_to_its_end() {
        let deep = "[".repeat(1_000_000);
        assert_eq!(compact(&deep).unwrap_err().offset, MAX_DEPTH);
        let allowed = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert_eq!(compact(&allowed).unwrap(), allowed);
    }

    #[test]
    fn what_is_skipped_is_checked_and_not_kept() {
        let text = r#"{"a": [1, {"b": "text"}, []], "c": null} 7"#;
        let (mut scanner, mut scratch) = (Scanner::new(text), Vec::new());
        scanner.skip(&mut scratch).unwrap();
        assert_eq!((scanner.peek(), scratch.len() < 8), (Some(b'7'), true));
        for wrong in ["{\"a\":1,}", "[1 2]", "{1:2}", "[nul]"] {
            assert!(Scanner::new(wrong).skip(&mut scratch).is_err(), "{wrong}");
        }
        let deep = "[".repeat(1_000_000);
        assert_eq!(
            Scanner::new(&deep).skip(&mut scratch).unwrap_err().offset,
            MAX_DEPTH
        );
    }

    #[test]
    fn numbers_that_would_be_rounded_are_quoted_on_request() {
        let text = "[1,9223372036854775808,1e999,0.5]";
        let mut out = Vec::new();
        Scanner::with_inexact_numbers(text, InexactNumbers::Quote)
            .value(&mut out)
            .unwrap();
        assert_eq!(out, b"[1,\"9223372036854775808\",\"1e999\",0.5]");
    }

    /// JSON, nearly: random texts of its tokens.
    fn tokens() -> impl Strategy<Value = String> {
        let token = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"\\n\"",
            "\"\\ud83d\\ude00\"",
            "\"\\q\"",
            "1",
            "-0.5e3",
            "01",
            "-",
            "true",
            "nul",
            "null",
            " ",
            "\n",
            "\"",
            "\u{e9}",
        ]);
        prop::collection::vec(token, 0..12).prop_map(|all| all.concat())
    }

    proptest! {
        #[test]
        fn accepts_what_serde_json_accepts_and_means_the_same(text in tokens()) {
            // A number beyond what a float holds, 1e999, is JSON and is kept as it is written; a `Value`
            // refuses it, so whether a text is JSON is asked of the parser that looks at the grammar alone.
            let ours = compact(&text).ok();
            prop_assert_eq!(ours.is_some(), serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
            if let (Some(out), Ok(theirs)) = (ours, serde_json::from_str::<serde_json::Value>(&text)) {
                prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&out).unwrap(), theirs);
            }
        }
    }
}
