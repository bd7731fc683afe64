//! The semantic descriptor of a profile: its columns with their statistics, as far as there is room.

use serde::Serialize;
use serde_json::Value;

use super::parsing::{ColumnProfile, ColumnType, Frequency, Profile, Quantiles};

/// Of the commonest values the descriptor has so many.
const TOP_VALUES: usize = 3;

/// The part of a profile that its descriptor holds; the rest of it is content.
#[derive(Debug, Serialize)]
pub(super) struct Summary<'a> {
    schema_fingerprint: &'a str,
    record_count: u64,
    column_count: usize,
    /// The number of columns, the first ones, that have statistics here.
    columns_with_statistics: usize,
    columns: Vec<ColumnSummary<'a>>,
}

#[derive(Debug, Serialize)]
struct ColumnSummary<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    column_type: ColumnType,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    statistics: Option<Statistics<'a>>,
}

/// The figures of one column.
#[derive(Debug, Serialize)]
struct Statistics<'a> {
    null_count: u64,
    distinct: Distinct,
    min: &'a Option<Value>,
    max: &'a Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mean: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quantiles: Option<&'a Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_values: Option<TopValues<'a>>,
}

#[derive(Debug, Serialize)]
struct Distinct {
    estimate: u64,
    error: f64,
    exact: bool,
}

#[derive(Debug, Serialize)]
struct TopValues<'a> {
    values: &'a [Frequency],
    error: u64,
}

impl<'a> Summary<'a> {
    /// The columns one after the other get statistics until these would take more than half of
    /// `max_bytes`, or more than the names leave of it.
    ///
    /// # Errors
    /// When a value cannot be written as JSON.
    pub(super) fn of(profile: &'a Profile, max_bytes: usize) -> serde_json::Result<Self> {
        let mut summary = Self {
            schema_fingerprint: &profile.schema_fingerprint,
            record_count: profile.record_count,
            column_count: profile.columns.len(),
            columns_with_statistics: profile.columns.len(),
            columns: profile.columns.iter().map(ColumnSummary::bare).collect(),
        };
        let names_bytes = serde_json::to_string(&summary)?.len();
        let mut room = (max_bytes / 2).min(max_bytes.saturating_sub(names_bytes));
        for (index, column) in profile.columns.iter().enumerate() {
            let statistics = Statistics::of(column);
            let bytes = serde_json::to_string(&statistics)?.len();
            let Some(left) = room.checked_sub(bytes) else {
                summary.columns_with_statistics = index;
                break;
            };
            room = left;
            summary.columns[index].statistics = Some(statistics);
        }
        Ok(summary)
    }
}

impl<'a> ColumnSummary<'a> {
    fn bare(column: &'a ColumnProfile) -> Self {
        Self {
            name: &column.name,
            column_type: column.column_type,
            statistics: None,
        }
    }
}

impl<'a> Statistics<'a> {
    fn of(column: &'a ColumnProfile) -> Self {
        let top_values = column.top_values.as_ref().map(|top| TopValues {
            values: &top.values[..top.values.len().min(TOP_VALUES)],
            error: top.error,
        });
        Self {
            null_count: column.null_count,
            distinct: Distinct {
                estimate: column.distinct.estimate,
                error: column.distinct.error,
                exact: column.distinct.is_exact,
            },
            min: &column.min,
            max: &column.max,
            mean: column.mean,
            quantiles: column.quantiles.as_ref(),
            top_values,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::parsing::{ParseOptions, parse, profile},
        *,
    };

    fn profiled(text: &str) -> Profile {
        let parsed = parse(text.as_bytes(), Some("x.csv"), &ParseOptions::default()).unwrap();
        profile(&parsed.columns, &parsed.rows.unpack().unwrap()).unwrap()
    }

    #[test]
    fn the_descriptor_has_the_statistics_of_its_columns() {
        let profile = profiled("n,city\n1,Rome\n3,Rome\n3,\n");
        let summary = Summary::of(&profile, 65_536).unwrap();
        let columns = serde_json::to_value(&summary).unwrap()["columns"].take();
        assert_eq!(
            columns,
            json!([
                {"name": "n", "type": "integer", "null_count": 0,
                 "distinct": {"estimate": 2, "error": 0.0, "exact": true},
                 "min": 1, "max": 3, "mean": 7.0 / 3.0,
                 "quantiles": {"p5": 1, "p25": 1, "p50": 3, "p75": 3, "p95": 3, "error": 0.0},
                 "top_values": {"values": [{"value": 3, "count": 2}, {"value": 1, "count": 1}], "error": 0}},
                {"name": "city", "type": "string", "null_count": 1,
                 "distinct": {"estimate": 1, "error": 0.0, "exact": true},
                 "min": "Rome", "max": "Rome",
                 "top_values": {"values": [{"value": "Rome", "count": 2}], "error": 0}},
            ])
        );
    }

    #[test]
    fn a_descriptor_stays_within_its_room_and_says_how_many_columns_have_statistics() {
        let names: Vec<String> = (0..500).map(|n| format!("column {n}")).collect();
        let values = vec!["some text of a cell"; 500].join(",");
        let profile = profiled(&format!("{}\n{values}\n", names.join(",")));
        let summary = Summary::of(&profile, 65_536).unwrap();
        let text = serde_json::to_string(&summary).unwrap();
        assert!(text.len() <= 65_536, "{}", text.len());
        let with = summary
            .columns
            .iter()
            .filter(|one| one.statistics.is_some());
        assert_eq!(with.count(), summary.columns_with_statistics);
        assert!((10..500).contains(&summary.columns_with_statistics));
        assert!(
            Summary::of(&profile, 100).unwrap().columns[0]
                .statistics
                .is_none()
        );
    }
}
