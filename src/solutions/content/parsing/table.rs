//! Delimited text to rows, in two passes over the text: the first checks every record and learns
//! the columns, the second writes the rows. No cell is kept between the two.

use std::collections::{HashMap, HashSet};

use super::{
    Body,
    columns::{Column, ColumnType, MAX_NAME_BYTES},
    delimited::{Dialect, Reader, Record, Records},
    error::{Fault, ParseError},
    format::Format,
    kinds::Kinds,
    literal::{boolean, kind_of_cell},
    notation::{Forms, Notation},
    progress::Progress,
    rejected::{Rejected, Rejections},
    rows::{Rows, write_string},
};

/// Where the table is and how it is written.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    pub text: &'a str,
    /// Where its first record begins, or what is empty before it.
    pub start: usize,
    pub dialect: Dialect,
    /// True if the first record is a header; detected if not given.
    pub has_header: Option<bool>,
    pub forms: Forms,
    pub is_lenient: bool,
}

/// Reads the records of a table.
pub(super) fn read(table: Table<'_>, mut progress: Progress<'_>) -> Result<Body, ParseError> {
    let faulty = |fault: Fault| fault.in_text(table.text, Format::Csv);
    let survey = survey(table, &mut progress).map_err(faulty)?;
    progress.next_pass();
    let has_header = table.has_header.unwrap_or_else(|| survey.looks_headed());
    let columns = survey.columns(has_header).map_err(faulty)?;
    let rows = write_rows(table, has_header, &columns, progress)?;
    Ok(Body {
        has_header: Some(has_header),
        comments: survey.comments,
        rejected: survey.rejected,
        columns,
        rows,
    })
}

impl<'a> Table<'a> {
    fn records(&self, width: Option<usize>) -> Records<'a> {
        let reader = Reader::at(self.text, self.start, self.dialect);
        Records::new(reader, width, self.is_lenient)
    }
}

/// The result of the first pass.
struct Survey {
    first: Vec<String>,
    first_starts: Vec<usize>,
    /// The kinds of the cells of the first record and of those below it, by column.
    kinds: Vec<Kinds>,
    below: Vec<Kinds>,
    comments: u64,
    rejected: Rejected,
}

fn survey(table: Table<'_>, progress: &mut Progress<'_>) -> Result<Survey, Fault> {
    let mut records = table.records(None);
    let mut rejections = Rejections::of(table.text);
    let mut reject = |start, fault| rejections.add(start, fault);
    let mut record = Record::default();
    records.next_into(&mut record, &mut reject)?;
    records.width = Some(record.cells.len());
    let first: Vec<String> = record.cells.iter().map(ToString::to_string).collect();
    let first_starts = record.starts.clone();
    let kind_of = |cell: &str| kind_of_cell(cell, table.forms);
    let kinds = first.iter().map(|cell| kind_of(cell)).collect();
    let mut below = vec![Kinds::NONE; first.len()];
    while records.next_into(&mut record, &mut reject)? {
        progress.at(record.end);
        for (kinds, cell) in below.iter_mut().zip(&record.cells) {
            *kinds |= kind_of(cell);
        }
    }
    Ok(Survey {
        first,
        first_starts,
        kinds,
        below,
        comments: records.reader().comments(),
        rejected: rejections.into_found(),
    })
}

impl Survey {
    /// A header is text: no cell of it is a number, a date or a boolean. It shows by a column that
    /// is typed below it; where all is text, by names that are all there and all different.
    fn looks_headed(&self) -> bool {
        let kinds = &self.kinds;
        if kinds.iter().any(|kind| kind.is_typed()) || !kinds.contains(&Kinds::STRING) {
            return false;
        }
        let typed_below =
            |(first, below): (&Kinds, &Kinds)| *first == Kinds::STRING && below.is_typed();
        if kinds.iter().zip(&self.below).any(typed_below) {
            return true;
        }
        let names: HashSet<&str> = self.first.iter().map(|cell| cell.trim()).collect();
        kinds.iter().all(|kind| *kind == Kinds::STRING) && names.len() == self.first.len()
    }

    fn columns(&self, has_header: bool) -> Result<Vec<Column>, Fault> {
        let names = if has_header {
            self.header_names()?
        } else {
            numbered(self.first.len())
        };
        let own = |(below, first): (&Kinds, &Kinds)| {
            if has_header { *below } else { *below | *first }
        };
        let kinds: Vec<Kinds> = self.below.iter().zip(&self.kinds).map(own).collect();
        let comma = Some(Notation::DecimalComma);
        let has_commas = kinds
            .iter()
            .any(|one| one.reading_of_cells(false).written_as == comma);
        let column = |(name, kinds): (String, Kinds)| {
            let reading = kinds.reading_of_cells(has_commas);
            let nullable = kinds.nullable(reading.column_type);
            Column {
                written_as: reading.written_as,
                ambiguous: reading.ambiguous.iter().map(ToString::to_string).collect(),
                ..Column::plain(name, reading.column_type, nullable)
            }
        };
        Ok(names.into_iter().zip(kinds).map(column).collect())
    }

    fn header_names(&self) -> Result<Vec<String>, Fault> {
        for (cell, start) in self.first.iter().zip(&self.first_starts) {
            if cell.trim().len() > MAX_NAME_BYTES {
                let reason = format!("a column name of more than {MAX_NAME_BYTES} bytes");
                return Err(Fault::new(*start, reason));
            }
        }
        Ok(unique_names(&self.first))
    }
}

fn numbered(count: usize) -> Vec<String> {
    (1..=count)
        .map(|number| format!("column_{number}"))
        .collect()
}

/// Names as given where they are unique; a repeated one gets `_2`, `_3` …, an empty one its number.
fn unique_names(header: &[String]) -> Vec<String> {
    let mut names = Names {
        given: header.iter().map(|name| name.trim()).collect(),
        taken: HashSet::new(),
        repeats: HashMap::new(),
    };
    let name_of = |(index, cell): (usize, &String)| match cell.trim() {
        "" => names.make(&format!("column_{}", index + 1)),
        name => names.take(name),
    };
    header.iter().enumerate().map(name_of).collect()
}

struct Names<'a> {
    given: HashSet<&'a str>,
    taken: HashSet<String>,
    repeats: HashMap<String, u32>,
}

impl Names<'_> {
    /// A name from the header: itself the first time, then a made one.
    fn take(&mut self, name: &str) -> String {
        if self.taken.insert(name.to_owned()) {
            return name.to_owned();
        }
        self.numbered(name)
    }

    /// A name that the header lacks; never one that it gives to another column.
    fn make(&mut self, name: &str) -> String {
        if !self.given.contains(name) && self.taken.insert(name.to_owned()) {
            return name.to_owned();
        }
        self.numbered(name)
    }

    fn numbered(&mut self, name: &str) -> String {
        let count = self.repeats.entry(name.to_owned()).or_insert(1);
        loop {
            *count += 1;
            let made = format!("{name}_{count}");
            if !self.given.contains(made.as_str()) && self.taken.insert(made.clone()) {
                return made;
            }
        }
    }
}

fn write_rows(
    table: Table<'_>,
    has_header: bool,
    columns: &[Column],
    mut progress: Progress<'_>,
) -> Result<Rows, ParseError> {
    let prefixes: Vec<Vec<u8>> = columns.iter().enumerate().map(key_prefix).collect();
    let faulty = |fault: Fault| fault.in_text(table.text, Format::Csv);
    let mut records = table.records(Some(columns.len()));
    // The survey has noted them.
    let mut reject = |_, _| ();
    let mut record = Record::default();
    let mut rows = Rows::of(table.text.len());
    if has_header {
        records
            .next_into(&mut record, &mut reject)
            .map_err(faulty)?;
    }
    while records
        .next_into(&mut record, &mut reject)
        .map_err(faulty)?
    {
        progress.at(record.end);
        let out = rows.buffer();
        for ((cell, prefix), column) in record.cells.iter().zip(&prefixes).zip(columns) {
            out.extend_from_slice(prefix);
            write_cell(out, cell, column);
        }
        out.push(b'}');
        rows.end_row()?;
    }
    Ok(rows)
}

/// Returns the text before a column's value in each row.
fn key_prefix((index, column): (usize, &Column)) -> Vec<u8> {
    let mut prefix = vec![if index == 0 { b'{' } else { b',' }];
    write_string(&mut prefix, &column.name);
    prefix.push(b':');
    prefix
}

fn write_cell(out: &mut Vec<u8>, cell: &str, column: &Column) {
    let trimmed = cell.trim();
    if let Some(notation) = column.written_as {
        return write_translated(out, trimmed, notation);
    }
    match column.column_type {
        _ if cell.is_empty() => out.extend_from_slice(b"null"),
        ColumnType::String => write_string(out, cell),
        _ if trimmed.is_empty() => out.extend_from_slice(b"null"),
        ColumnType::Integer | ColumnType::Number => out.extend_from_slice(trimmed.as_bytes()),
        ColumnType::Boolean => {
            let value = boolean(trimmed) == Some(true);
            out.extend_from_slice(if value { b"true" } else { b"false" });
        }
        _ => write_string(out, trimmed),
    }
}

fn write_translated(out: &mut Vec<u8>, text: &str, notation: Notation) {
    match notation.translated(text) {
        // The survey has found each to be a number or a date, or nothing at all.
        None => out.extend_from_slice(b"null"),
        Some(number) if notation == Notation::DecimalComma => {
            out.extend_from_slice(number.as_bytes());
        }
        Some(date) => write_string(out, &date),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str, delimiter: char) -> Table<'_> {
        Table {
            text,
            start: 0,
            dialect: Dialect {
                delimiter,
                comment: None,
            },
            has_header: None,
            forms: Forms::default(),
            is_lenient: false,
        }
    }

    fn read(table: Table<'_>) -> Result<Body, ParseError> {
        super::read(table, Progress::new(&|_| (), table.text.len(), 2))
    }

    fn rows(text: &str, has_header: Option<bool>) -> (Vec<Column>, String) {
        let body = read(Table {
            has_header,
            ..table(text, ',')
        })
        .unwrap();
        (
            body.columns,
            String::from_utf8(body.rows.into_bytes()).unwrap(),
        )
    }

    fn headed(text: &str) -> bool {
        read(table(text, ',')).unwrap().has_header.unwrap()
    }

    #[test]
    fn values_are_typed_by_their_column_and_written_to_the_letter() {
        let (columns, rows) = rows(
            "id,zip,price,ok,day\n1,007,1.50,True,2024-01-02\n2,10115,,false,\n",
            None,
        );
        let types: Vec<&str> = columns
            .iter()
            .map(|column| column.column_type.as_str())
            .collect();
        assert_eq!(types, ["integer", "string", "number", "boolean", "date"]);
        assert_eq!(
            columns.iter().map(|c| c.nullable).collect::<Vec<_>>(),
            [false, false, true, false, true]
        );
        assert_eq!(
            rows,
            "{\"id\":1,\"zip\":\"007\",\"price\":1.50,\"ok\":true,\"day\":\"2024-01-02\"}\n\
             {\"id\":2,\"zip\":\"10115\",\"price\":null,\"ok\":false,\"day\":null}\n"
        );
    }

    #[test]
    fn numbers_and_dates_as_people_write_them_become_those_of_json() {
        let text = "price;day;when;both\n1.234,56;31.12.2024;12/31/2024;1/2/2024\n2.000;1.2.2024;;2/1/2024\n-7;;1/2/2024;\n";
        let body = read(table(text, ';')).unwrap();
        let found: Vec<_> = body
            .columns
            .iter()
            .map(|c| (c.column_type.as_str(), c.written_as))
            .collect();
        assert_eq!(
            found,
            [
                ("number", Some(Notation::DecimalComma)),
                ("date", Some(Notation::DayMonthPoints)),
                ("date", Some(Notation::MonthDaySlashes)),
                ("string", None),
            ]
        );
        assert_eq!(body.columns[3].ambiguous, ["DD/MM/YYYY", "MM/DD/YYYY"]);
        assert_eq!(
            String::from_utf8(body.rows.into_bytes()).unwrap(),
            "{\"price\":1234.56,\"day\":\"2024-12-31\",\"when\":\"2024-12-31\",\"both\":\"1/2/2024\"}\n\
             {\"price\":2000,\"day\":\"2024-02-01\",\"when\":null,\"both\":\"2/1/2024\"}\n\
             {\"price\":-7,\"day\":null,\"when\":\"2024-01-02\",\"both\":null}\n"
        );
    }

    #[test]
    fn lenient_reading_keeps_bad_rows_aside_and_types_the_others() {
        let text = "n,m\n1,2\nbad\n3,4\n5,6,7\n";
        let body = read(Table {
            is_lenient: true,
            ..table(text, ',')
        })
        .unwrap();
        assert_eq!(body.columns[0].column_type, ColumnType::Integer);
        let rejected: Vec<_> = body
            .rejected
            .rows
            .iter()
            .map(|row| (row.line, row.text.as_str()))
            .collect();
        assert_eq!(rejected, [(3, "bad"), (5, "5,6,7")]);
        assert_eq!(body.rejected.count, 2);
        assert_eq!(
            String::from_utf8(body.rows.into_bytes()).unwrap(),
            "{\"n\":1,\"m\":2}\n{\"n\":3,\"m\":4}\n"
        );
        assert!(read(table(text, ',')).is_err());
    }

    #[test]
    fn points_beside_decimal_commas_are_ambiguous() {
        let body = read(table("a;b\n1,5;1.234\n2,5;7\n", ';')).unwrap();
        assert_eq!(body.columns[1].column_type, ColumnType::String);
        assert_eq!(body.columns[1].ambiguous, ["1.234,56", "1234.56"]);
    }

    #[test]
    fn an_integer_too_large_makes_its_column_text() {
        let (columns, rows) = rows("n\n1\n9223372036854775808\n", None);
        assert_eq!(columns[0].column_type, ColumnType::String);
        assert_eq!(rows, "{\"n\":\"1\"}\n{\"n\":\"9223372036854775808\"}\n");
    }

    #[test]
    fn names_become_unique_without_taking_a_given_one() {
        let header: Vec<String> = ["a", "a", "a_2", "", " a ", "column_4"]
            .map(String::from)
            .into();
        assert_eq!(
            unique_names(&header),
            ["a", "a_3", "a_2", "column_4_2", "a_4", "column_4"]
        );
    }

    #[test]
    fn a_header_shows_by_types_below_it_or_by_distinct_names() {
        assert!(headed("name,age\nann,3\n"));
        assert!(headed(",age\nann,3\n"));
        assert!(headed("name,city\nann,rome\n"));
        assert!(!headed("1,2\n3,4\n"));
        assert!(!headed("ann,3\nbob,4\n"));
        assert!(!headed("x,x\nann,rome\n"));
    }

    #[test]
    fn without_a_header_the_columns_are_numbered() {
        let (columns, rows) = rows("1,x\n2,y\n", Some(false));
        assert_eq!(columns[1].name, "column_2");
        assert_eq!(rows.lines().count(), 2);
    }

    #[test]
    fn a_header_alone_is_a_table_without_rows() {
        let (columns, rows) = rows("a,b\n", None);
        assert_eq!((columns.len(), rows.len()), (2, 0));
        assert_eq!(columns[0].column_type, ColumnType::Null);
    }
}
