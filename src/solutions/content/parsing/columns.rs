//! Columns and the inference of their types: each value adds what it is to its column's set, and
//! the set decides the type at the end. A type is only given where no value loses by it.

use serde::{Deserialize, Serialize};

use super::{kinds::Kinds, notation::Notation};

/// The most columns that rows may have.
pub const MAX_COLUMNS: usize = 10_000;

/// The longest column name, in bytes of UTF-8.
pub const MAX_NAME_BYTES: usize = 1_024;

/// The type of a column's values. Values other than numbers, booleans, objects, arrays and null are
/// JSON strings in the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Whole numbers within 64 bits, signed.
    Integer,
    /// Numbers, as they were written. In CSV and TSV each is exact as a 64-bit float; in JSON a
    /// number is kept to the letter whatever its size.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `YYYY-MM-DD`.
    Date,
    /// A date and a time of day, with or without an offset (ISO 8601, RFC 3339).
    Datetime,
    /// Text.
    String,
    /// JSON objects.
    Object,
    /// JSON arrays.
    Array,
    /// No value at all.
    Null,
    /// JSON values of several types.
    Mixed,
}

impl ColumnType {
    /// The name used in descriptors, e.g. `datetime`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Datetime => "datetime",
            Self::String => "string",
            Self::Object => "object",
            Self::Array => "array",
            Self::Null => "null",
            Self::Mixed => "mixed",
        }
    }
}

/// One column of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name: the key in each row's object.
    pub name: String,
    /// The type of its values.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// True if a row has null there, or nothing.
    pub nullable: bool,
    /// The form in which the file writes the values, where the rows have them in another form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_as: Option<Notation>,
    /// The ways in which every value of this column could be read; it stays text for that. An option
    /// says which is meant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ambiguous: Vec<String>,
}

impl Column {
    /// A column whose values are as the file has them.
    pub(super) fn plain(name: String, column_type: ColumnType, nullable: bool) -> Self {
        Self {
            name,
            column_type,
            nullable,
            written_as: None,
            ambiguous: Vec::new(),
        }
    }
}

/// The way in which a column of cells is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reading {
    pub column_type: ColumnType,
    pub written_as: Option<Notation>,
    /// Where it is text only because it could be read in several ways: these.
    pub ambiguous: &'static [&'static str],
}

impl Reading {
    fn plain(column_type: ColumnType) -> Self {
        Self {
            column_type,
            written_as: None,
            ambiguous: &[],
        }
    }

    fn ambiguous(ambiguous: &'static [&'static str]) -> Self {
        Self {
            ambiguous,
            ..Self::plain(ColumnType::String)
        }
    }
}

impl Kinds {
    /// Decides how a column of cells is read: what does not fit together stays text. `has_commas`
    /// says that another column has decimal commas.
    pub fn reading_of_cells(self, has_commas: bool) -> Reading {
        let values = self.without(Self::NO_VALUE);
        let notations = [
            (
                Self::INTEGER | Self::GROUPED_BY_POINT | Self::GROUPED_BY_COMMA,
                Self::DECIMAL_COMMA,
                Notation::DecimalComma,
            ),
            (Self::NONE, Self::POINT_DATE, Notation::DayMonthPoints),
            (Self::SLASH_DATE, Self::DAY_FIRST, Notation::DayMonthSlashes),
            (
                Self::SLASH_DATE,
                Self::MONTH_FIRST,
                Notation::MonthDaySlashes,
            ),
        ];
        let found = notations.into_iter().find(|(may_be, must_be, _)| {
            values.contains(*must_be) && values.within(*may_be | *must_be)
        });
        if let Some((_, _, notation)) = found {
            return Reading {
                column_type: match notation {
                    Notation::DecimalComma => ColumnType::Number,
                    _ => ColumnType::Date,
                },
                written_as: Some(notation),
                ambiguous: &[],
            };
        }
        if values == Self::SLASH_DATE {
            return Reading::ambiguous(&["DD/MM/YYYY", "MM/DD/YYYY"]);
        }
        let is_grouped = |by: Self| values.contains(by) && values.within(Self::ALL_INTEGERS | by);
        if is_grouped(Self::GROUPED_BY_COMMA) {
            return Reading::ambiguous(&["1.234,56", "1,234.56"]);
        }
        if has_commas && is_grouped(Self::GROUPED_BY_POINT) {
            return Reading::ambiguous(&["1.234,56", "1234.56"]);
        }
        Reading::plain(self.type_of_cells())
    }

    fn type_of_cells(self) -> ColumnType {
        let values = self.without(Self::NO_VALUE);
        let rounds = values.contains(Self::WIDE_INTEGER)
            && values.meets(Self::NUMBER | Self::GROUPED_BY_POINT);
        match values.single_type() {
            Some(ColumnType::Null) if self.contains(Self::BLANK) => ColumnType::String,
            Some(found) if !rounds => found,
            _ => ColumnType::String,
        }
    }

    /// The type of a column of JSON values.
    pub fn type_of_json(self) -> ColumnType {
        self.without(Self::NO_VALUE)
            .single_type()
            .unwrap_or(ColumnType::Mixed)
    }

    /// Returns whether a column of this type and these kinds holds nulls.
    pub fn nullable(self, column_type: ColumnType) -> bool {
        self.contains(Self::NULL)
            || (self.contains(Self::BLANK) && column_type != ColumnType::String)
    }

    fn single_type(self) -> Option<ColumnType> {
        let types = [
            (Self::NONE, ColumnType::Null),
            (Self::BOOLEAN, ColumnType::Boolean),
            (Self::ALL_INTEGERS, ColumnType::Integer),
            (Self::ALL_NUMBERS, ColumnType::Number),
            (Self::DATE, ColumnType::Date),
            (Self::DATETIME, ColumnType::Datetime),
            (Self::ALL_STRINGS, ColumnType::String),
            (Self::OBJECT, ColumnType::Object),
            (Self::ARRAY, ColumnType::Array),
        ];
        types
            .into_iter()
            .find(|(set, _)| self.within(*set))
            .map(|(_, found)| found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_widen_to_numbers_unless_that_would_round() {
        let both = Kinds::INTEGER | Kinds::NUMBER;
        assert_eq!(both.type_of_cells(), ColumnType::Number);
        assert_eq!(
            (Kinds::INTEGER | Kinds::WIDE_INTEGER).type_of_cells(),
            ColumnType::Integer
        );
        assert_eq!(
            (Kinds::WIDE_INTEGER | Kinds::NUMBER).type_of_cells(),
            ColumnType::String
        );
        assert_eq!(
            (Kinds::WIDE_INTEGER | Kinds::NUMBER).type_of_json(),
            ColumnType::Number
        );
    }

    #[test]
    fn what_does_not_fit_together_is_text_or_mixed() {
        let both = Kinds::INTEGER | Kinds::DATE;
        assert_eq!(both.type_of_cells(), ColumnType::String);
        assert_eq!(both.type_of_json(), ColumnType::Mixed);
        assert_eq!(
            (Kinds::DATE | Kinds::DATETIME).type_of_json(),
            ColumnType::String
        );
        assert_eq!(
            (Kinds::OBJECT | Kinds::ARRAY | Kinds::NULL).type_of_json(),
            ColumnType::Mixed
        );
    }

    #[test]
    fn a_column_as_a_whole_decides_how_its_dates_and_numbers_are_read() {
        let of = |kinds: Kinds| {
            let reading = kinds.reading_of_cells(false);
            (
                reading.column_type,
                reading.written_as,
                reading.ambiguous.len(),
            )
        };
        let (text, date, number) = (ColumnType::String, ColumnType::Date, ColumnType::Number);
        let slash = Kinds::SLASH_DATE;
        let first = Some(Notation::DayMonthSlashes);
        assert_eq!(of(slash | Kinds::DAY_FIRST | Kinds::NULL), (date, first, 0));
        let month = Some(Notation::MonthDaySlashes);
        assert_eq!(of(slash | Kinds::MONTH_FIRST), (date, month, 0));
        assert_eq!(of(slash), (text, None, 2));
        assert_eq!(
            of(slash | Kinds::DAY_FIRST | Kinds::MONTH_FIRST),
            (text, None, 0)
        );
        assert_eq!(of(Kinds::POINT_DATE | Kinds::DATE), (text, None, 0));
        let comma = Some(Notation::DecimalComma);
        let grouped = Kinds::GROUPED_BY_COMMA;
        assert_eq!(
            of(Kinds::INTEGER | Kinds::DECIMAL_COMMA | grouped),
            (number, comma, 0)
        );
        assert_eq!(of(Kinds::INTEGER | grouped), (text, None, 2));
        assert_eq!(of(Kinds::NUMBER | Kinds::DECIMAL_COMMA), (text, None, 0));
        assert_eq!(
            of(Kinds::NUMBER | Kinds::GROUPED_BY_POINT),
            (number, None, 0)
        );
        assert_eq!(of(Kinds::GROUPED_BY_POINT), (number, None, 0));
        let beside = Kinds::GROUPED_BY_POINT.reading_of_cells(true);
        assert_eq!((beside.column_type, beside.ambiguous.len()), (text, 2));
    }

    #[test]
    fn white_space_is_a_value_only_in_text() {
        let numbers = Kinds::INTEGER | Kinds::BLANK;
        assert_eq!(numbers.type_of_cells(), ColumnType::Integer);
        assert!(numbers.nullable(ColumnType::Integer));
        assert_eq!(Kinds::BLANK.type_of_cells(), ColumnType::String);
        assert!(!Kinds::BLANK.nullable(ColumnType::String));
        assert_eq!(Kinds::NULL.type_of_cells(), ColumnType::Null);
    }
}
