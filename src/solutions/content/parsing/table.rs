//! Delimited text to rows, in two passes over the text: the first checks every record and learns
//! the columns, the second writes the rows. No cell is kept between the two.

use std::collections::{HashMap, HashSet};

use super::{
    Body,
    columns::{Column, ColumnType, Kinds, MAX_NAME_BYTES},
    delimited::{Reader, Record, check_width},
    error::{Fault, ParseError},
    literal::{boolean, kind_of_cell},
    options::Format,
    rows::{Rows, write_string},
};

/// Reads the records of `text`. Whether the first is a header is detected unless given.
pub(super) fn read(
    text: &str,
    delimiter: char,
    has_header: Option<bool>,
) -> Result<Body, ParseError> {
    let format = if delimiter == '\t' {
        Format::Tsv
    } else {
        Format::Csv
    };
    let survey = survey(text, delimiter).map_err(|fault| fault.in_text(text, format))?;
    let has_header = has_header.unwrap_or_else(|| survey.looks_headed());
    let columns = survey
        .columns(has_header)
        .map_err(|fault| fault.in_text(text, format))?;
    let rows = write_rows(text, delimiter, has_header, &columns)?;
    Ok(Body {
        has_header: Some(has_header),
        columns,
        rows,
    })
}

/// What the first pass learns.
struct Survey {
    first: Vec<String>,
    first_starts: Vec<usize>,
    /// What the cells below the first record are, by column.
    below: Vec<Kinds>,
}

fn survey(text: &str, delimiter: char) -> Result<Survey, Fault> {
    let mut reader = Reader::new(text, delimiter);
    let mut record = Record::default();
    reader.next_into(&mut record)?;
    let first: Vec<String> = record.cells.iter().map(ToString::to_string).collect();
    let first_starts = record.starts.clone();
    let mut below = vec![Kinds::NONE; first.len()];
    while reader.next_into(&mut record)? {
        check_width(&record, first.len())?;
        for (kinds, cell) in below.iter_mut().zip(&record.cells) {
            *kinds |= kind_of_cell(cell);
        }
    }
    Ok(Survey {
        first,
        first_starts,
        below,
    })
}

impl Survey {
    /// A header is text: no cell of it is a number, a date or a boolean. It shows by a column that
    /// is typed below it; where all is text, by names that are all there and all different.
    fn looks_headed(&self) -> bool {
        let kinds: Vec<Kinds> = self.first.iter().map(|cell| kind_of_cell(cell)).collect();
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
        let columns = names.into_iter().zip(&self.below).zip(&self.first);
        Ok(columns
            .map(|((name, below), first)| {
                let kinds = if has_header {
                    *below
                } else {
                    *below | kind_of_cell(first)
                };
                let column_type = kinds.type_of_cells();
                Column {
                    name,
                    column_type,
                    nullable: kinds.nullable(column_type),
                }
            })
            .collect())
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
    text: &str,
    delimiter: char,
    has_header: bool,
    columns: &[Column],
) -> Result<Rows, ParseError> {
    let prefixes: Vec<Vec<u8>> = columns.iter().enumerate().map(key_prefix).collect();
    let faulty = |fault: Fault| fault.in_text(text, Format::Csv);
    let mut reader = Reader::new(text, delimiter);
    let mut record = Record::default();
    let mut rows = Rows::of(text.len());
    if has_header {
        reader.next_into(&mut record).map_err(faulty)?;
    }
    while reader.next_into(&mut record).map_err(faulty)? {
        let out = rows.buffer();
        for ((cell, prefix), column) in record.cells.iter().zip(&prefixes).zip(columns) {
            out.extend_from_slice(prefix);
            write_cell(out, cell, column.column_type);
        }
        out.push(b'}');
        rows.end_row()?;
    }
    Ok(rows)
}

/// What stands before a column's value in each row.
fn key_prefix((index, column): (usize, &Column)) -> Vec<u8> {
    let mut prefix = vec![if index == 0 { b'{' } else { b',' }];
    write_string(&mut prefix, &column.name);
    prefix.push(b':');
    prefix
}

fn write_cell(out: &mut Vec<u8>, cell: &str, column_type: ColumnType) {
    let trimmed = cell.trim();
    match column_type {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, has_header: Option<bool>) -> (Vec<Column>, String) {
        let body = read(text, ',', has_header).unwrap();
        (
            body.columns,
            String::from_utf8(body.rows.into_bytes()).unwrap(),
        )
    }

    fn headed(text: &str) -> bool {
        read(text, ',', None).unwrap().has_header.unwrap()
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
