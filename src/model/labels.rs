//! Labels of nodes, and those that an intent type needs.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The most labels of a node, or of what needs some.
const MOST: usize = 8;
/// The longest name and the longest value, in characters.
const LONGEST: usize = 63;

/// Names with values, such as `gpu=true,zone=a`, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

/// Text that is no list of labels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected up to {MOST} labels such as gpu=true, each name and value of 1 to {LONGEST} letters, digits and . _ - /, \
     found `{0}`"
)]
pub struct LabelsError(String);

impl Labels {
    /// Labels from pairs of a name and a value.
    ///
    /// # Errors
    /// When there are too many, a name is there twice, or one is malformed.
    pub fn of<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, LabelsError> {
        let mut labels = BTreeMap::new();
        for (name, value) in pairs {
            let is_taken = labels.insert(name.to_owned(), value.to_owned()).is_some();
            if is_taken || !is_word(name) || !is_word(value) || labels.len() > MOST {
                return Err(LabelsError(format!("{name}={value}")));
            }
        }
        Ok(Self(labels))
    }

    /// Returns whether all of `needed` are among these.
    #[must_use]
    pub fn include(&self, needed: &Self) -> bool {
        let has = |(name, value)| self.0.get(name) == Some(value);
        needed.0.iter().all(has)
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each name with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

fn is_word(text: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    (1..=LONGEST).contains(&text.len()) && text.chars().all(allowed)
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{name}={value}")?;
        }
        Ok(())
    }
}

impl FromStr for Labels {
    type Err = LabelsError;

    fn from_str(text: &str) -> Result<Self, LabelsError> {
        let parts = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let pair = |part: &'_ str| -> Option<(String, String)> {
            let (name, value) = part.split_once('=')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        let pairs: Option<Vec<_>> = parts.map(pair).collect();
        let pairs = pairs.ok_or_else(|| LabelsError(text.to_owned()))?;
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        Self::of(pairs).map_err(|_| LabelsError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Labels {
        text.parse().unwrap()
    }

    #[test]
    fn labels_are_read_as_they_are_written_in_the_order_of_their_names() {
        assert_eq!(
            labels(" zone = a , gpu=true ").to_string(),
            "gpu=true,zone=a"
        );
        assert!(labels("").is_empty());
        let eight: Vec<_> = (0..8).map(|n| format!("n{n}=v")).collect();
        assert_eq!(labels(&eight.join(",")).iter().count(), 8);
        for bad in [
            "gpu",
            "gpu=",
            "=true",
            "gpu=true,gpu=false",
            "g pu=true",
            "gpu=ü",
            &format!("gpu={}", "x".repeat(64)),
            &format!("{},n8=v", eight.join(",")),
        ] {
            assert!(bad.parse::<Labels>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_node_serves_what_needs_no_label_that_it_lacks() {
        let node = labels("gpu=true,zone=a");
        for (needed, serves) in [
            ("", true),
            ("gpu=true", true),
            ("zone=a,gpu=true", true),
            ("gpu=false", false),
            ("gpu=true,disk=fast", false),
        ] {
            assert_eq!(node.include(&labels(needed)), serves, "{needed}");
        }
    }
}
