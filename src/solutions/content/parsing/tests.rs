//! Properties of the whole: what is written reads back, the same input gives the same bytes, and no
//! input at all brings it down.

use std::fmt::Write;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn parsed(bytes: &[u8], name: &str) -> Parsed {
    parse(bytes, Some(name), &ParseOptions::default()).unwrap()
}

fn refusal(bytes: &[u8], name: &str) -> ParseError {
    parse(bytes, Some(name), &ParseOptions::default()).unwrap_err()
}

#[test]
fn nothing_is_an_error_of_its_own() {
    for empty in [b"".as_slice(), b"\xEF\xBB\xBF", b" \r\n\t"] {
        assert_eq!(refusal(empty, "x.csv").code(), "EMPTY_CONTENT");
    }
}

#[test]
fn binary_content_is_refused_whatever_its_name_and_options() {
    let options = ParseOptions {
        format: Some(Format::Csv),
        encoding: Some("latin1".into()),
        ..ParseOptions::default()
    };
    for binary in [
        b"\x89PNG\r\n\x1a\nabc".as_slice(),
        b"PK\x03\x04abc",
        b"a,b\n1,\x02\n",
        b"a\0b\0",
    ] {
        assert_eq!(
            parse(binary, Some("x.csv"), &options).unwrap_err().code(),
            "BINARY_CONTENT"
        );
    }
}

#[test]
fn malformed_csv_is_refused_where_it_breaks_counting_quoted_line_breaks() {
    let error = refusal(b"a,b\n\"x\ny\r\nz\",1\n2\n", "x.csv");
    assert_eq!(
        (error.code(), error.line(), error.column()),
        ("MALFORMED_CSV", Some(5), Some(2))
    );
    let error = refusal(b"a,b\n\"x\ny\",1\n2,\"open\n", "x.csv");
    assert_eq!((error.line(), error.column()), (Some(4), Some(3)));
}

#[test]
fn messages_do_not_repeat_the_content() {
    let long = format!("a,b\n{},{},3\n", "secret".repeat(1000), 2);
    assert!(refusal(long.as_bytes(), "x.csv").to_string().len() < 200);
}

#[test]
fn utf16_with_a_mark_is_read_as_what_it_says() {
    let units = "\u{feff}n\u{e4}me;x\nJ\u{f6};1\n".encode_utf16();
    let bytes: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    let found = parsed(&bytes, "x.csv");
    assert_eq!(
        (found.encoding.as_str(), found.delimiter),
        ("UTF-16LE", Some(';'))
    );
    assert_eq!(
        String::from_utf8(found.rows.unpack().unwrap()).unwrap(),
        "{\"n\u{e4}me\":\"J\u{f6}\",\"x\":1}\n"
    );
}

#[test]
fn the_type_asked_for_is_the_type_reported() {
    let options = ParseOptions {
        format: Some(Format::Tsv),
        ..ParseOptions::default()
    };
    let found = parse(b"a\tb\n1\t2\n", Some("x.csv"), &options).unwrap();
    assert_eq!(
        (found.parser_type, found.delimiter, found.has_header),
        (Format::Tsv, Some('\t'), Some(true))
    );
}

#[test]
fn the_samples_of_the_demonstration_parse() {
    let samples = [
        ("orders.csv", Format::Csv),
        ("catalog.json", Format::Json),
        ("readings.ndjson", Format::Ndjson),
        ("notes.txt", Format::Text),
    ];
    for (name, format) in samples {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("src/cli/demo/samples")
            .join(name);
        let found = parsed(&std::fs::read(path).unwrap(), name);
        assert_eq!(found.parser_type, format);
        let profile = profile(&found.columns, &found.rows.unpack().unwrap()).unwrap();
        assert_eq!(
            (profile.record_count, profile.columns.len()),
            (found.record_count, found.columns.len())
        );
    }
}

/// Text as it may stand in a cell.
fn cell() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9,;|\"' \n\r\t\u{e9}\u{4e2d}\u{1f600}.-]{0,8}"
}

fn tables() -> impl Strategy<Value = Vec<Vec<String>>> {
    (1_usize..5)
        .prop_flat_map(|width| prop::collection::vec(prop::collection::vec(cell(), width), 1..8))
}

fn written(table: &[Vec<String>], delimiter: u8, break_with: csv::Terminator) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .terminator(break_with)
        .from_writer(Vec::new());
    for record in table {
        writer.write_record(record).unwrap();
    }
    writer.into_inner().unwrap()
}

fn values(rows: &[u8]) -> Vec<Value> {
    let rows = preview(rows, 0).unwrap();
    rows.iter().map(crate::model::RawJson::to_value).collect()
}

/// The cells of the rows; null is an empty cell.
fn cells(rows: &[u8]) -> Vec<Vec<String>> {
    let rows = values(rows);
    let cell = |(index, row): (usize, &Value)| match &row[format!("column_{}", index + 1)] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    rows.iter()
        .map(|row| {
            (0..row.as_object().unwrap().len())
                .map(|index| cell((index, row)))
                .collect()
        })
        .collect()
}

/// Options of every kind, whether they fit together or not.
fn other_options() -> impl Strategy<Value = ParseOptions> {
    let marks = prop::sample::select(vec![DecimalMark::Point, DecimalMark::Comma]);
    let dates = prop::sample::select(vec![
        DateFormat::Iso,
        DateFormat::DayMonthPoints,
        DateFormat::DayMonthSlashes,
        DateFormat::MonthDaySlashes,
    ]);
    let paths = prop::sample::select(vec!["", "/a", "/0", "/a/1/a"]);
    let comments = prop::sample::select(vec!['#', ';', '\u{e9}']);
    (
        prop::option::weighted(0.3, 0_u32..3),
        prop::option::weighted(0.3, comments),
        prop::option::weighted(0.3, marks),
        prop::option::weighted(0.3, dates),
        prop::option::of(prop::sample::select(vec![Mode::Strict, Mode::Lenient])),
        prop::option::weighted(0.2, paths),
    )
        .prop_map(
            |(skip_rows, comment, decimal, date_format, mode, path)| ParseOptions {
                skip_rows,
                comment,
                decimal,
                date_format,
                mode,
                path: path.map(String::from),
                ..ParseOptions::default()
            },
        )
}

/// Rows whose records cannot be read, among good ones.
fn broken_tables() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        "1,2",
        "a,\"b\"",
        "\"x\ny\",z",
        "1",
        "1,2,3",
        "\"open,1",
        "\"shut\"x,1",
        "",
        "\"\"\"\",5",
    ]);
    prop::collection::vec(line, 0..12).prop_map(|lines| format!("k,v\n{}\n", lines.join("\n")))
}

proptest! {
    #[test]
    fn what_lenient_reading_leaves_aside_is_why_strict_reading_fails(text in broken_tables()) {
        let read = |mode| {
            let options = ParseOptions { format: Some(Format::Csv), mode: Some(mode), ..ParseOptions::default() };
            parse(text.as_bytes(), None, &options)
        };
        let lenient = read(Mode::Lenient).unwrap();
        let strict = read(Mode::Strict);
        prop_assert_eq!(lenient.rejected.count, lenient.rejected.rows.len() as u64);
        prop_assert_eq!(lenient.rejected.count == 0, strict.is_ok());
        prop_assert!(lenient.rejected.rows.is_sorted_by_key(|row| row.line));
        if let (Err(error), Some(first)) = (strict, lenient.rejected.rows.first()) {
            prop_assert!(error.to_string().ends_with(&first.reason), "{}", error);
        }
    }

    #[test]
    fn cells_read_back_as_they_were_written(
        mut table in tables(),
        delimiter in prop::sample::select(vec![b',', b';', b'\t', b'|']),
        crlf: bool,
    ) {
        // A first record of letters keeps every column text.
        table.insert(0, vec!["x".to_owned(); table[0].len()]);
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let options = ParseOptions {
            format: Some(Format::Csv),
            delimiter: Some(char::from(delimiter)),
            has_header: Some(false),
            decimal: Some(DecimalMark::Point),
            ..ParseOptions::default()
        };
        let found = parse(&written(&table, delimiter, terminator), None, &options).unwrap();
        prop_assert_eq!(found.record_count, table.len() as u64);
        prop_assert_eq!(cells(&found.rows.unpack().unwrap()), table);
    }

    #[test]
    fn typed_cells_keep_their_value(numbers in prop::collection::vec(any::<i64>(), 1..8), floats in prop::collection::vec(any::<f64>().prop_filter("finite", |value| value.is_finite()), 1..8)) {
        let mut text = String::from("i,f\n");
        for (integer, float) in numbers.iter().zip(&floats) {
            writeln!(text, "{integer},{float:e}").unwrap();
        }
        let found = parsed(text.as_bytes(), "x.csv");
        let rows = values(&found.rows.unpack().unwrap());
        for ((row, integer), float) in rows.iter().zip(&numbers).zip(&floats) {
            prop_assert_eq!(row["i"].as_i64(), Some(*integer));
            prop_assert_eq!(row["f"].as_f64(), Some(*float));
        }
    }

    #[test]
    fn ndjson_reads_back_as_it_was_written(
        records in prop::collection::vec(prop::collection::btree_map("[a-z\"\\\\\u{e9}]{0,3}", any::<(Option<i64>, String, bool)>(), 0..4), 1..6),
    ) {
        let mut text = String::new();
        for record in &records {
            text.push_str(&serde_json::to_string(record).unwrap());
            text.push_str("\n\n");
        }
        prop_assume!(!text.contains("\\u0000"));
        let found = parsed(text.as_bytes(), "x.ndjson");
        let expected: Vec<Value> = records.iter().map(|record| serde_json::to_value(record).unwrap()).collect();
        prop_assert_eq!(values(&found.rows.unpack().unwrap()), expected);
    }

    #[test]
    fn the_same_input_gives_the_same_bytes(table in tables()) {
        let bytes = written(&table, b',', csv::Terminator::CRLF);
        let options = ParseOptions { format: Some(Format::Csv),
            delimiter: Some(','), ..ParseOptions::default() };
        prop_assume!(!bytes.trim_ascii().is_empty());
        let run = || {
            let found = parse(&bytes, None, &options).unwrap();
            let profile = profile(&found.columns, &found.rows.unpack().unwrap()).unwrap();
            (found, serde_json::to_string(&profile).unwrap())
        };
        prop_assert_eq!(run(), run());
    }

    #[test]
    fn any_bytes_give_rows_or_a_refusal(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[\\[\\]{}:,\"a1\\\\u\n\r\t; .-]{0,60}".prop_map(String::into_bytes),
            "([#é1a\",;/.-]{0,6}[,;\n]){0,12}".prop_map(String::into_bytes),
        ],
        name in prop::option::of(prop::sample::select(vec!["a.csv", "a.json", "a.ndjson", "a.txt", "a.tsv", "a"])),
        format in prop::option::of(prop::sample::select(vec![Format::Csv, Format::Tsv, Format::Json, Format::Ndjson, Format::Text])),
        encoding in prop::option::of(prop::sample::select(vec!["utf-8", "utf-16", "shift_jis", "gb18030", "iso-2022-jp"])),
        more in other_options(),
    ) {
        let options = ParseOptions { format, encoding: encoding.map(String::from), ..more };
        match parse(&bytes, name, &options) {
            Ok(found) => {
                let lines = found.rows.unpack().unwrap().split_inclusive(|byte| *byte == b'\n').count();
                prop_assert_eq!(found.record_count, lines as u64);
                prop_assert!(profile(&found.columns, &found.rows.unpack().unwrap()).is_ok());
                prop_assert_eq!(preview(&found.rows.unpack().unwrap(), 0).unwrap().len(), lines);
            }
            Err(error) => prop_assert_eq!(error.line().is_some(), error.column().is_some()),
        }
    }
}
