//! Whether a condition binds a table.

use std::collections::BTreeSet;

use sqlparser::ast::{BinaryOperator, Expr, InTarget, Query, SelectItem, SetExpr, Value};

use super::{Around, Findings, KEYS, Relation, Standing, outermost};

/// Without what changes nothing: brackets, casts, and `|| ''`.
fn bare(of: &Expr) -> &Expr {
    let is_empty = |one: &Expr| matches!(one, Expr::Value(value) if value.to_string() == "''");
    match of {
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => bare(inner),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::StringConcat,
            right,
        } if is_empty(right) => bare(left),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::StringConcat,
            right,
        } if is_empty(left) => bare(right),
        other => other,
    }
}

/// The table of these that a column is of, and its name.
fn column<'a>(relations: &'a [Relation], of: &Expr) -> Option<(&'a Relation, String)> {
    match bare(of) {
        Expr::CompoundIdentifier(parts) => {
            let [alias, name] = parts.as_slice() else {
                return None;
            };
            let relation = relations.iter().find(|one| one.alias == alias.value)?;
            Some((relation, name.value.clone()))
        }
        Expr::Identifier(name) => {
            let tables = relations.iter().filter(|one| one.table.is_some());
            let relation = tables.into_iter().next().or(relations.first())?;
            Some((relation, name.value.clone()))
        }
        _ => None,
    }
}

fn is_column_of(relations: &[Relation], number: usize, of: &Expr, names: &[&str]) -> bool {
    column(relations, of).is_some_and(|(relation, name)| {
        relation.alias == relations[number].alias && names.contains(&name.as_str())
    })
}

/// Whether something is, or is in, what queries give, and they give keys of rows that are bound.
fn is_bound_key(of: &Expr, around: &Around) -> bool {
    let queries = outermost(of);
    !queries.is_empty() && queries.iter().all(|query| gives_bound_keys(query, around))
}

fn gives_bound_keys(query: &Query, around: &Around) -> bool {
    Findings::default().query(query, around) == Standing::Bound && gives_keys(&query.body)
}

/// Whether no column that a query gives is another one than a key.
fn gives_keys(body: &SetExpr) -> bool {
    let is_key = |item: &SelectItem| {
        let (SelectItem::UnnamedExpr(of) | SelectItem::ExprWithAlias { expr: of, .. }) = item
        else {
            return false;
        };
        match bare(of) {
            Expr::Identifier(name) => KEYS.contains(&name.value.as_str()),
            Expr::CompoundIdentifier(parts) => parts
                .last()
                .is_some_and(|name| KEYS.contains(&name.value.as_str())),
            _ => true,
        }
    };
    match body {
        SetExpr::Select(select) => select.projection.iter().all(is_key),
        SetExpr::Query(query) => gives_keys(&query.body),
        SetExpr::SetOperation { left, right, .. } => gives_keys(left) && gives_keys(right),
        _ => false,
    }
}

pub(super) fn is_bound(
    relations: &[Relation],
    number: usize,
    conditions: &[&Expr],
    around: &Around,
) -> bool {
    let all: Vec<Relation> = relations.iter().chain(&around.outer).cloned().collect();
    let within = Around {
        outer: all.clone(),
        named: around.named.clone(),
    };
    let is_tenant = |of: &Expr| is_column_of(relations, number, of, &["tenant_id"]);
    let is_key = |of: &Expr| is_column_of(relations, number, of, KEYS);
    let gives_tenant = |of: &Expr| match bare(of) {
        Expr::Value(value) => matches!(
            value.value,
            Value::Placeholder(_) | Value::SingleQuotedString(_)
        ),
        other => column(&all, other).is_some_and(|(relation, name)| {
            relation.alias != relations[number].alias
                && name == "tenant_id"
                && matches!(relation.standing, Standing::Values | Standing::Bound)
        }),
    };
    let gives_key = |of: &Expr| {
        is_bound_key(of, &within)
            || column(&all, of).is_some_and(|(relation, name)| {
                relation.alias != relations[number].alias
                    && relation.standing == Standing::Bound
                    && KEYS.contains(&name.as_str())
            })
    };
    let tuple_has_tenant = |of: &Expr| match bare(of) {
        Expr::Tuple(parts) => parts.iter().any(&is_tenant),
        _ => false,
    };
    // Places in an index that begins with the tenant: from one of the tenant's to one of the tenant's.
    let (mut low, mut high) = (false, false);
    for condition in conditions {
        match condition {
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } => {
                for (one, other) in [(left, right), (right, left)] {
                    if is_tenant(one) && gives_tenant(other) || is_key(one) && gives_key(other) {
                        return true;
                    }
                }
            }
            Expr::AnyOp {
                left,
                compare_op: BinaryOperator::Eq,
                right,
                ..
            } if is_key(left) && is_bound_key(right, &within) => return true,
            Expr::In {
                expr,
                target: InTarget::Subquery(subquery),
                negated: false,
                ..
            } => {
                let standing = Findings::default().query(subquery, &within);
                let is_of_values = standing == Standing::Values && tuple_has_tenant(expr);
                if is_of_values || is_key(expr) && gives_bound_keys(subquery, &within) {
                    return true;
                }
            }
            Expr::BinaryOp { left, op, right } if tuple_has_tenant(left) => {
                let is_of_values = |of: &Expr| match bare(of) {
                    Expr::Tuple(parts) => parts
                        .iter()
                        .all(|part| matches!(bare(part), Expr::Value(_))),
                    _ => false,
                };
                if is_of_values(right) {
                    low |= matches!(op, BinaryOperator::Gt | BinaryOperator::GtEq);
                    high |= matches!(op, BinaryOperator::Lt | BinaryOperator::LtEq);
                }
            }
            _ => {}
        }
    }
    low && high
}

/// The columns by which rows of a table are found, for those that are not bound.
pub(super) fn named_by(relations: &[Relation], number: usize, conditions: &[&Expr]) -> String {
    let mut names = BTreeSet::new();
    let mut add = |of: &Expr| {
        if let Some((relation, name)) = column(relations, of)
            && relation.alias == relations[number].alias
        {
            names.insert(name);
        }
    };
    for condition in conditions {
        match condition {
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } => {
                add(left);
                add(right);
            }
            Expr::In {
                expr,
                target: InTarget::Subquery(_),
                ..
            } => match bare(expr) {
                Expr::Tuple(parts) => parts.iter().for_each(&mut add),
                one => add(one),
            },
            _ => {}
        }
    }
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.into_iter().collect::<Vec<_>>().join(", ")
}
