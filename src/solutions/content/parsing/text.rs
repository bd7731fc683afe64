//! Plain text to rows: a line is a record of its number and its text.

use super::{
    Body,
    columns::{Column, ColumnType},
    error::ParseError,
    position::split_line,
    progress::Progress,
    rejected::Rejected,
    rows::{Rows, write_string},
};

/// Reads the lines of `text`; each ends with `\n`, `\r\n` or `\r`, the last may end with the text.
pub(super) fn read(text: &str, mut progress: Progress<'_>) -> Result<Body, ParseError> {
    let mut rows = Rows::of(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        let number = rows.count() + 1;
        let out = rows.buffer();
        out.extend_from_slice(b"{\"line\":");
        out.extend_from_slice(number.to_string().as_bytes());
        out.extend_from_slice(b",\"text\":");
        write_string(out, line);
        out.push(b'}');
        rows.end_row()?;
        rest = after;
        progress.at(text.len() - rest.len());
    }
    Ok(Body {
        has_header: None,
        comments: 0,
        rejected: Rejected::default(),
        columns: columns(),
        rows,
    })
}

fn columns() -> Vec<Column> {
    [("line", ColumnType::Integer), ("text", ColumnType::String)]
        .map(|(name, column_type)| Column::plain(name.to_owned(), column_type, false))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_record_with_its_number() {
        let text = "one\r\n\n\"two\"\rthree";
        let body = read(text, Progress::new(&|_| (), text.len(), 1)).unwrap();
        let rows = String::from_utf8(body.rows.into_bytes()).unwrap();
        assert_eq!(
            rows,
            "{\"line\":1,\"text\":\"one\"}\n{\"line\":2,\"text\":\"\"}\n\
             {\"line\":3,\"text\":\"\\\"two\\\"\"}\n{\"line\":4,\"text\":\"three\"}\n"
        );
    }
}
