//! Labels of nodes, and those that intent types need.

use std::collections::BTreeMap;

use super::setting::{Setting, listed};
use crate::model::{Labels, LabelsError};

impl Setting for Labels {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: LabelsError| error.to_string())
    }

    fn text(&self) -> Option<String> {
        Some(self.to_string()).filter(|text| !text.is_empty())
    }
}

/// Intent types with the labels that a node must have to run them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IntentLabels(BTreeMap<String, Labels>);

impl IntentLabels {
    /// Each type with its labels.
    #[must_use]
    pub fn all(&self) -> &BTreeMap<String, Labels> {
        &self.0
    }
}

impl Setting for IntentLabels {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> Result<Self, String> {
        let mut types = BTreeMap::new();
        for part in listed(text) {
            let (name, labels) = labels_of_type(part)?;
            if types.insert(name.clone(), labels).is_some() {
                return Err(format!("the intent type {name} is there twice"));
            }
        }
        Ok(Self(types))
    }

    fn text(&self) -> Option<String> {
        let types = self.0.iter().map(|(name, labels)| {
            let labels: Vec<_> = labels
                .iter()
                .map(|(name, value)| format!("{name}:{value}"))
                .collect();
            format!("{name} = {}", labels.join(" "))
        });
        let types: Vec<_> = types.collect();
        Some(types.join(", ")).filter(|text| !text.is_empty())
    }
}

fn labels_of_type(text: &str) -> Result<(String, Labels), String> {
    let read = || {
        let (name, labels) = text.split_once('=')?;
        let pairs: Option<Vec<_>> = labels
            .split_whitespace()
            .map(|pair| pair.split_once(':'))
            .collect();
        let labels = Labels::of(pairs?).ok()?;
        let name = name.trim();
        (!name.is_empty() && !labels.is_empty()).then(|| (name.to_owned(), labels))
    };
    read().ok_or_else(|| {
        format!(
            "expected intent types with labels such as transcribe = gpu:true zone:a, found `{text}`"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_labels_of_its_own() {
        let text = "render = gpu:true zone:a, transcribe = gpu:true";
        let read = IntentLabels::parse(text).unwrap();
        assert_eq!(read.text().unwrap(), text);
        assert_eq!(read.all()["render"].to_string(), "gpu=true,zone=a");
        for bad in [
            "render",
            "render =",
            "= gpu:true",
            "render = gpu",
            "a = b:c b:d",
        ] {
            assert!(IntentLabels::parse(bad).unwrap_err().contains(bad), "{bad}");
        }
        assert!(IntentLabels::parse("a = b:c, a = b:d").is_err());
    }
}
