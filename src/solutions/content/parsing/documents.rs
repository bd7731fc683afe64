//! JSON and NDJSON to rows. An object is a record; any other value becomes `{"value": …}`. An array
//! that is the whole document is its elements.

use std::collections::HashMap;

use super::{
    Body,
    columns::{Column, Kinds, MAX_COLUMNS, MAX_NAME_BYTES},
    error::{Fault, ParseError},
    json::{Member, Scanner},
    options::Format,
    rows::Rows,
    text::split_line,
};

/// Reads one JSON document.
pub(super) fn read_json(text: &str) -> Result<Body, ParseError> {
    let faulty = |fault: Fault| fault.in_text(text, Format::Json);
    let mut scanner = Scanner::new(text);
    let mut records = Records::of(text);
    if scanner.peek() == Some(b'[') {
        scanner.open(b'[').map_err(faulty)?;
        let mut is_first = true;
        // The commas between the records belong to the document, not to the rows.
        let mut commas = Vec::new();
        while scanner
            .goes_on(b']', is_first, &mut commas)
            .map_err(faulty)?
        {
            is_first = false;
            commas.clear();
            records.add(&mut scanner).map_err(faulty)?;
            records.rows.end_row()?;
        }
    } else {
        records.add(&mut scanner).map_err(faulty)?;
        records.rows.end_row()?;
    }
    scanner.end().map_err(faulty)?;
    Ok(records.into_body())
}

/// Reads one JSON value a line; blank lines are skipped.
pub(super) fn read_ndjson(text: &str) -> Result<Body, ParseError> {
    let mut records = Records::of(text);
    let mut rest = text;
    while !rest.is_empty() {
        let start = text.len() - rest.len();
        let (line, after) = split_line(rest);
        rest = after;
        if line.trim().is_empty() {
            continue;
        }
        let mut scanner = Scanner::new(line);
        records
            .add(&mut scanner)
            .and_then(|()| scanner.end())
            .map_err(|fault| {
                Fault::new(start + fault.offset, fault.reason).in_text(text, Format::Ndjson)
            })?;
        records.rows.end_row()?;
    }
    Ok(records.into_body())
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
        let error = read_ndjson("{\"a\":1}\r\n\r\n  \n{\"a\":}\n")
            .err()
            .unwrap();
        assert_eq!(
            (error.code(), error.line(), error.column()),
            ("MALFORMED_NDJSON", Some(4), Some(6))
        );
        let error = read_ndjson("{\"a\":\n1}").err().unwrap();
        assert_eq!(error.line(), Some(1));
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
