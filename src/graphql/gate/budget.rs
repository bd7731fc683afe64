//! The size of a document with its fragments expanded, counted without expanding them:
//! each fragment is looked at once.

use std::collections::HashMap;

use apollo_compiler::ast::{Definition, Document, FragmentDefinition, Selection};

use super::GateLimits;
use crate::api::ApiError;

/// The size of a selection set with its fragments expanded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    selections: u64,
    depth: u64,
    aliases: u64,
    directives: u64,
    /// Fields at the top of the set.
    width: u64,
}

impl Size {
    fn beside(self, other: Self) -> Self {
        Self {
            selections: self.selections.saturating_add(other.selections),
            depth: self.depth.max(other.depth),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            width: self.width.saturating_add(other.width),
        }
    }

    fn with_directives(self, count: usize) -> Self {
        Self {
            directives: self.directives.saturating_add(count as u64),
            ..self
        }
    }
}

enum Found {
    /// It is being looked at: it contains itself, which validation will say.
    Open,
    Known(Size),
}

struct Counter<'a> {
    fragments: HashMap<&'a str, &'a FragmentDefinition>,
    found: HashMap<&'a str, Found>,
}

impl<'a> Counter<'a> {
    fn set(&mut self, selections: &'a [Selection]) -> Size {
        let sizes = selections.iter().map(|selection| self.one(selection));
        sizes.fold(Size::default(), Size::beside)
    }

    fn one(&mut self, selection: &'a Selection) -> Size {
        match selection {
            Selection::Field(field) => {
                let below = self.set(&field.selection_set);
                Size {
                    selections: below.selections.saturating_add(1),
                    depth: below.depth + 1,
                    aliases: below
                        .aliases
                        .saturating_add(u64::from(field.alias.is_some())),
                    directives: below.directives,
                    width: 1,
                }
                .with_directives(field.directives.len())
            }
            Selection::InlineFragment(inline) => {
                let size = self.set(&inline.selection_set);
                size.with_directives(inline.directives.len())
            }
            Selection::FragmentSpread(spread) => {
                let size = self.fragment(&spread.fragment_name);
                size.with_directives(spread.directives.len())
            }
        }
    }

    fn fragment(&mut self, name: &'a str) -> Size {
        match self.found.get(name) {
            Some(Found::Known(size)) => return *size,
            Some(Found::Open) => return Size::default(),
            None => {}
        }
        let Some(fragment) = self.fragments.get(name).copied() else {
            return Size::default();
        };
        self.found.insert(name, Found::Open);
        let size = self.set(&fragment.selection_set);
        let size = size.with_directives(fragment.directives.len());
        self.found.insert(name, Found::Known(size));
        size
    }
}

/// Refuses a document that is too large when it is expanded. Operations count together.
pub(super) fn check(document: &Document, limits: &GateLimits) -> Result<(), ApiError> {
    let fragments = document.definitions.iter().filter_map(|definition| {
        let fragment = definition.as_fragment_definition()?;
        Some((fragment.name.as_str(), &**fragment))
    });
    let mut counter = Counter {
        fragments: fragments.collect(),
        found: HashMap::new(),
    };
    let (mut total, mut widest) = (Size::default(), 0);
    for definition in &document.definitions {
        if let Definition::OperationDefinition(operation) = definition {
            let size = counter.set(&operation.selection_set);
            let variables = operation.variables.iter();
            let on_variables: usize = variables.map(|variable| variable.directives.len()).sum();
            widest = widest.max(size.width);
            total = total.beside(size.with_directives(operation.directives.len() + on_variables));
        }
    }
    let bounds = [
        ("selections", total.selections, limits.selections),
        ("levels of fields", total.depth, limits.depth),
        ("aliases", total.aliases, limits.aliases),
        ("directives", total.directives, limits.directives),
        ("fields at the root", widest, limits.root_fields),
    ];
    match bounds.into_iter().find(|(_, found, most)| found > most) {
        None => Ok(()),
        Some((what, found, most)) => {
            let message = format!("the document has {found} {what}; at most {most} are allowed");
            Err(ApiError::bad_input(message))
        }
    }
}
