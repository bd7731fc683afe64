//! JSON and NDJSON to rows. An object is a record; any other value becomes `{"value": …}`. An array
//! that is the whole document, or that a path leads to, is its elements.

use std::collections::HashMap;

use super::{
    Body,
    columns::{Column, MAX_COLUMNS, MAX_NAME_BYTES},
    error::{Fault, ParseError},
    format::Format,
    json::{Member, Scanner},
    kinds::Kinds,
    pointer,
    position::{Position, split_line},
    progress::Progress,
    rejected::{Rejected, Rejections},
    rows::Rows,
};

/// The number of characters of a path that are shown.
const SHOWN_CHARS: usize = 200;

/// Reads one JSON document: its records stand in the array that `path` leads to, or are the document
/// itself.
pub(super) fn read_json(
    text: &str,
    path: Option<&str>,
    progress: Progress<'_>,
) -> Result<Body, ParseError> {
    let faulty = |fault: Fault| fault.in_text(text, Format::Json);
    let mut document = Document {
        text,
        scanner: Scanner::new(text),
        records: Records::of(text),
        progress,
        scratch: Vec::new(),
    };
    match path {
        Some(path) => document.read_path(path)?,
        None if document.scanner.peek() == Some(b'[') => document.read_array()?,
        None => document.read_record()?,
    }
    document.scanner.end().map_err(faulty)?;
    Ok(document.records.into_body())
}

/// A document that is being read.
struct Document<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    records: Records,
    progress: Progress<'a>,
    scratch: Vec<u8>,
}

impl Document<'_> {
    fn faulty(&self, fault: Fault) -> ParseError {
        fault.in_text(self.text, Format::Json)
    }

    fn read_record(&mut self) -> Result<(), ParseError> {
        let added = self.records.add(&mut self.scanner);
        added.map_err(|fault| self.faulty(fault))?;
        self.records.rows.end_row()?;
        self.progress.at(self.scanner.position());
        Ok(())
    }

    /// Each element of the array that comes next is a record.
    fn read_array(&mut self) -> Result<(), ParseError> {
        self.open(b'[')?;
        let mut is_first = true;
        while self.goes_on(b']', is_first)? {
            is_first = false;
            self.read_record()?;
        }
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), ParseError> {
        let opened = self.scanner.open(bracket);
        opened.map_err(|fault| self.faulty(fault))
    }

    fn goes_on(&mut self, closing: u8, is_first: bool) -> Result<bool, ParseError> {
        // The commas between values belong to the document, not to the rows.
        self.scratch.clear();
        let goes_on = self.scanner.goes_on(closing, is_first, &mut self.scratch);
        goes_on.map_err(|fault| self.faulty(fault))
    }

    fn read_path(&mut self, path: &str) -> Result<(), ParseError> {
        let tokens = pointer::tokens(path).map_err(|reason| ParseError::InvalidOption {
            option: "path",
            reason,
        })?;
        if self.descend(path, &tokens)? {
            return Ok(());
        }
        Err(ParseError::PathNotFound {
            path: path.chars().take(SHOWN_CHARS).collect(),
        })
    }

    /// Takes the next value, in which `tokens` lead to the records; whether they do. Of what is beside
    /// them only the form is checked.
    fn descend(&mut self, path: &str, tokens: &[String]) -> Result<bool, ParseError> {
        let next = self.scanner.peek();
        let Some((token, below)) = tokens.split_first() else {
            if next == Some(b'[') {
                return self.read_array().map(|()| true);
            }
            return Err(self.not_an_array(path, next));
        };
        match next {
            Some(b'{') => self.descend_by_name(path, token, below),
            Some(b'[') => self.descend_by_index(path, token, below),
            _ => self.skip().map(|()| false),
        }
    }

    fn descend_by_name(
        &mut self,
        path: &str,
        token: &str,
        below: &[String],
    ) -> Result<bool, ParseError> {
        self.open(b'{')?;
        let (mut is_first, mut is_met, mut is_found) = (true, false, false);
        while self.goes_on(b'}', is_first)? {
            is_first = false;
            let name = self.scanner.name(&mut self.scratch);
            let (name, offset) = name.map_err(|fault| self.faulty(fault))?;
            if name != token {
                self.skip()?;
                continue;
            }
            if is_met {
                let fault = Fault::new(offset, "a name of the path stands twice in its object");
                return Err(self.faulty(fault));
            }
            is_met = true;
            is_found = self.descend(path, below)?;
        }
        Ok(is_found)
    }

    fn descend_by_index(
        &mut self,
        path: &str,
        token: &str,
        below: &[String],
    ) -> Result<bool, ParseError> {
        self.open(b'[')?;
        let wanted = pointer::index(token);
        let (mut next, mut is_found) = (0_u64, false);
        while self.goes_on(b']', next == 0)? {
            if Some(next) == wanted {
                is_found = self.descend(path, below)?;
            } else {
                self.skip()?;
            }
            next += 1;
        }
        Ok(is_found)
    }

    fn skip(&mut self) -> Result<(), ParseError> {
        let skipped = self.scanner.skip(&mut self.scratch);
        skipped.map_err(|fault| self.faulty(fault))?;
        self.progress.at(self.scanner.position());
        Ok(())
    }

    fn not_an_array(&self, path: &str, next: Option<u8>) -> ParseError {
        let found = match next {
            Some(b'{') => "an object",
            Some(b'"') => "a text",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            Some(b'-' | b'0'..=b'9') => "a number",
            _ => return self.faulty(Fault::new(self.scanner.position(), "a value was expected")),
        };
        ParseError::PathNotArray {
            path: path.chars().take(SHOWN_CHARS).collect(),
            found,
            position: Position::of(self.text, self.scanner.position()),
        }
    }
}

/// Reads one JSON value a line; blank lines are skipped. With `is_lenient`, lines that are not JSON
/// are left out.
pub(super) fn read_ndjson(
    text: &str,
    is_lenient: bool,
    mut progress: Progress<'_>,
) -> Result<Body, ParseError> {
    let mut records = Records::of(text);
    let mut rejections = Rejections::of(text);
    let mut scratch = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        progress.at(start);
        let (line, after) = split_line(rest);
        rest = after;
        if line.trim().is_empty() {
            continue;
        }
        let located = |fault: Fault| Fault::new(start + fault.offset, fault.reason);
        if is_lenient && let Err(fault) = check(line, &mut scratch) {
            rejections.add(start, located(fault));
            continue;
        }
        let mut scanner = Scanner::new(line);
        let added = records.add(&mut scanner).and_then(|()| scanner.end());
        added.map_err(|fault| located(fault).in_text(text, Format::Ndjson))?;
        records.rows.end_row()?;
    }
    Ok(Body {
        rejected: rejections.into_found(),
        ..records.into_body()
    })
}

/// Checks that a line is one JSON value, before any of it becomes part of a row or a column.
fn check(line: &str, scratch: &mut Vec<u8>) -> Result<(), Fault> {
    let mut scanner = Scanner::new(line);
    scanner.skip(scratch)?;
    scanner.end()
}

/// Rows and, beside them, what is known of their columns.
struct Records {
    rows: Rows,
    fields: Fields,
}

impl Records {
    fn of(text: &str) -> Self {
        Self {
            rows: Rows::of(text.len()),
            fields: Fields::default(),
        }
    }

    /// Takes the scanner's next value as a record, but does not end the row.
    fn add(&mut self, scanner: &mut Scanner<'_>) -> Result<(), Fault> {
        let record = self.rows.count();
        let fields = &mut self.fields;
        fields.next = 0;
        if scanner.peek() == Some(b'{') {
            return scanner.object(self.rows.buffer(), &mut |member: Member<'_, '_>| {
                fields.note(&member.name, member.kind, record, member.offset)
            });
        }
        let offset = scanner.position();
        let out = self.rows.buffer();
        out.extend_from_slice(b"{\"value\":");
        let kind = scanner.value(out)?;
        out.push(b'}');
        fields.note("value", kind, record, offset)
    }

    fn into_body(self) -> Body {
        let count = self.rows.count();
        Body {
            has_header: None,
            comments: 0,
            rejected: Rejected::default(),
            columns: self.fields.into_columns(count),
            rows: self.rows,
        }
    }
}

/// The names seen, in the order of their first appearance.
#[derive(Default)]
struct Fields {
    all: Vec<Field>,
    by_name: HashMap<String, usize>,
    /// Which field would come next if this record were like the others: saves most look-ups.
    next: usize,
}

struct Field {
    name: String,
    kinds: Kinds,
    /// In how many records it is present, and the last of them.
    present: u64,
    last: Option<u64>,
}

impl Fields {
    fn note(&mut self, name: &str, kind: Kinds, record: u64, offset: usize) -> Result<(), Fault> {
        let index = self.index_of(name, offset)?;
        self.next = index + 1;
        let field = &mut self.all[index];
        field.kinds |= kind;
        // A name that is repeated in one record is present once.
        if field.last != Some(record) {
            field.present += 1;
            field.last = Some(record);
        }
        Ok(())
    }

    fn index_of(&mut self, name: &str, offset: usize) -> Result<usize, Fault> {
        if self
            .all
            .get(self.next)
            .is_some_and(|field| field.name == name)
        {
            return Ok(self.next);
        }
        if let Some(index) = self.by_name.get(name) {
            return Ok(*index);
        }
        if name.len() > MAX_NAME_BYTES {
            return Err(Fault::new(
                offset,
                format!("a name of more than {MAX_NAME_BYTES} bytes"),
            ));
        }
        if self.all.len() == MAX_COLUMNS {
            let reason = format!("more than {MAX_COLUMNS} different names in the records");
            return Err(Fault::new(offset, reason));
        }
        let name = name.to_owned();
        self.by_name.insert(name.clone(), self.all.len());
        self.all.push(Field {
            name,
            kinds: Kinds::NONE,
            present: 0,
            last: None,
        });
        Ok(self.all.len() - 1)
    }

    fn into_columns(self, record_count: u64) -> Vec<Column> {
        let column = |field: Field| {
            let nullable = field.kinds.contains(Kinds::NULL) || field.present < record_count;
            Column::plain(field.name, field.kinds.type_of_json(), nullable)
        };
        self.all.into_iter().map(column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(text: &str) -> Result<Body, ParseError> {
        read_at(text, None)
    }

    fn read_at(text: &str, path: Option<&str>) -> Result<Body, ParseError> {
        super::read_json(text, path, Progress::new(&|_| (), text.len(), 1))
    }

    fn read_ndjson(text: &str, is_lenient: bool) -> Result<Body, ParseError> {
        super::read_ndjson(text, is_lenient, Progress::new(&|_| (), text.len(), 1))
    }

    fn shape(body: &Body) -> Vec<(String, &'static str, bool)> {
        let columns = body.columns.iter();
        columns
            .map(|c| (c.name.clone(), c.column_type.as_str(), c.nullable))
            .collect()
    }

    fn rows(body: Body) -> String {
        String::from_utf8(body.rows.into_bytes()).unwrap()
    }

    #[test]
    fn an_array_of_objects_is_its_records() {
        let body = read_json("[ {\"b\": 1, \"a\": {\"x\": [1, 2]}},\n {\"b\": 2.5} ]").unwrap();
        assert_eq!(
            shape(&body),
            [("b".into(), "number", false), ("a".into(), "object", true)]
        );
        assert_eq!(rows(body), "{\"b\":1,\"a\":{\"x\":[1,2]}}\n{\"b\":2.5}\n");
    }

    #[test]
    fn an_object_is_one_record_and_scalars_are_values() {
        assert_eq!(rows(read_json("{\"a\":\n1}").unwrap()), "{\"a\":1}\n");
        let body = read_json("[1, \"x\", null]").unwrap();
        assert_eq!(shape(&body), [("value".into(), "mixed", true)]);
        assert_eq!(
            rows(body),
            "{\"value\":1}\n{\"value\":\"x\"}\n{\"value\":null}\n"
        );
        assert_eq!(rows(read_json("[]").unwrap()), "");
    }

    #[test]
    fn big_numbers_and_dates_keep_their_letters() {
        let body = read_json("[{\"n\":12345678901234567890123,\"d\":\"2024-01-02\"}]").unwrap();
        assert_eq!(
            shape(&body),
            [("n".into(), "number", false), ("d".into(), "date", false)]
        );
        assert_eq!(
            rows(body),
            "{\"n\":12345678901234567890123,\"d\":\"2024-01-02\"}\n"
        );
    }

    #[test]
    fn escaped_names_are_the_same_column_and_repeated_ones_count_once() {
        let body = read_json("[{\"a\":1,\"\\u0061\":2},{}]").unwrap();
        assert_eq!(shape(&body), [("a".into(), "integer", true)]);
    }

    #[test]
    fn faults_of_a_document_have_line_and_column() {
        let error = read_json("[\n {\"a\": 1},\n {\"a\": }\n]").err().unwrap();
        assert_eq!(
            (error.code(), error.line(), error.column()),
            ("MALFORMED_JSON", Some(3), Some(8))
        );
        assert_eq!(read_json("{} {}").err().unwrap().column(), Some(4));
    }

    #[test]
    fn a_fault_of_a_line_names_the_real_line() {
        let error = read_ndjson("{\"a\":1}\r\n\r\n  \n{\"a\":}\n", false)
            .err()
            .unwrap();
        assert_eq!(
            (error.code(), error.line(), error.column()),
            ("MALFORMED_NDJSON", Some(4), Some(6))
        );
        let error = read_ndjson("{\"a\":\n1}", false).err().unwrap();
        assert_eq!(error.line(), Some(1));
    }

    #[test]
    fn a_path_leads_to_the_records() {
        let text =
            r#"{"meta": {"items": [9]}, "data": [{"a/b": [ {"n": 1}, {"n": 2} ]}, 7], "z": "end"}"#;
        let body = read_at(text, Some("/data/0/a~1b")).unwrap();
        assert_eq!(rows(body), "{\"n\":1}\n{\"n\":2}\n");
        assert_eq!(rows(read_at("[1]", Some("")).unwrap()), "{\"value\":1}\n");
        let refused = |path| read_at(text, Some(path)).err().unwrap();
        for nowhere in ["/items", "/data/2/x", "/data/00", "/z/a", "/data/1/x"] {
            assert_eq!(refused(nowhere).code(), "PATH_NOT_FOUND", "{nowhere}");
        }
        let error = refused("/meta");
        assert_eq!((error.code(), error.column()), ("PATH_NOT_ARRAY", Some(10)));
        assert!(
            error.to_string().contains("`/meta` leads to an object"),
            "{error}"
        );
        assert!(refused("/z").to_string().contains("a text"));
    }

    #[test]
    fn a_document_is_well_formed_beside_the_path_too() {
        let code = |text| read_at(text, Some("/a")).err().unwrap().code();
        assert_eq!(code(r#"{"a": [1], "b": }"#), "MALFORMED_JSON");
        assert_eq!(code(r#"{"b": {"x" 1}, "a": [1]}"#), "MALFORMED_JSON");
        assert_eq!(code(r#"{"a": [1], "a": [2]}"#), "MALFORMED_JSON");
        assert_eq!(code(r#"{"a": [1]} x"#), "MALFORMED_JSON");
        assert_eq!(code(r#"{"a": }"#), "MALFORMED_JSON");
    }

    #[test]
    fn lenient_reading_leaves_out_lines_that_are_not_json() {
        let body = read_ndjson(
            "{\"a\":1}\n{\"b\":2,\"a\":}\n\nnot json\n{\"a\":3} x\n{\"a\":4}",
            true,
        )
        .unwrap();
        let rejected = &body.rejected;
        let lines: Vec<u64> = rejected.rows.iter().map(|row| row.line).collect();
        assert_eq!((rejected.count, lines), (3, vec![2, 4, 5]));
        assert_eq!(rejected.rows[1].text, "not json");
        assert_eq!(shape(&body), [("a".into(), "integer", false)]);
        assert_eq!(rows(body), "{\"a\":1}\n{\"a\":4}\n");
    }

    #[test]
    fn too_many_names_are_refused() {
        let record: Vec<String> = (0..=MAX_COLUMNS).map(|n| format!("\"k{n}\":1")).collect();
        let error = read_json(&format!("{{{}}}", record.join(",")))
            .err()
            .unwrap();
        assert!(error.to_string().contains("10000"), "{error}");
    }
}
