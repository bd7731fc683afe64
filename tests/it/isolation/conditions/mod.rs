//! Finds the tables of tenants that a statement reads or writes without the tenant in its condition.
//!
//! A table is *bound* in a part of a statement if a condition, which holds for each of its rows, compares its tenant
//! with a value, or one of its keys with a key of a table that is bound. Lists of values (`x`) are not: a key that
//! comes from outside says nothing of whose it is.

mod bound;
mod tests;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
};

use sqlparser::{
    ast::{
        BinaryOperator, Expr, FromTable, JoinConstraint, JoinOperator, Query, Select, SetExpr,
        Statement, TableFactor, TableObject, TableWithJoins, UpdateTableFromKind, Visit, Visitor,
    },
    dialect::{PostgreSqlDialect, SQLiteDialect},
    parser::Parser,
};

use bound::{is_bound, named_by};

/// Tables whose rows have the tenant.
pub(super) const OF_TENANTS: &[&str] = &[
    "api_key",
    "artifact",
    "checkpoint",
    "content_release",
    "event",
    "execution",
    "execution_count",
    "execution_state",
    "idempotency",
    "limit_guard",
    "limit_place",
    "log_trim",
    "operation",
    "ready",
    "removed_entry",
    "schedule",
    "schedule_run",
    "session",
    "timer",
    "upload",
    "webhook",
];
/// Tables whose rows belong to an execution or an artifact.
pub(super) const OF_ROWS: &[&str] = &[
    "artifact_edge",
    "artifact_found",
    "artifact_transition",
    "cancellation",
    "lease",
    "limit_rate",
    "materialization",
    "step",
];
/// Tables of the installation.
pub(super) const OF_NOBODY: &[&str] = &[
    "browser_logout",
    "data_key",
    "era",
    "installation",
    "node",
    "seaql_migrations",
];

/// Columns, and their names in parts of statements, that hold the key of one row of one tenant. The id of a session
/// is none: two tenants may have the same one.
const KEYS: &[&str] = &[
    "above",
    "artifact_id",
    "child",
    "execution_id",
    "id",
    "key",
    "parent",
    "parent_id",
    "place",
    "root_id",
    "stream_id",
];

/// How a table stands in a part of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Values from outside.
    Values,
    OfNobody,
    Bound,
    Loose,
}

/// A condition, and the number of the table whose rows alone it chooses: that of a `LEFT JOIN`.
struct Condition<'a> {
    of: Option<usize>,
    text: &'a Expr,
}

/// The conditions that each row of a table fulfils.
fn conditions_of<'a>(conditions: &[Condition<'a>], number: usize) -> Vec<&'a Expr> {
    let all = conditions
        .iter()
        .filter(|one| one.of.is_none_or(|of| of == number));
    all.map(|one| one.text).collect()
}

#[derive(Debug, Clone)]
struct Relation {
    alias: String,
    /// None for a part of the statement itself.
    table: Option<String>,
    standing: Standing,
}

/// What is known where a part of a statement stands.
#[derive(Clone, Default)]
struct Around {
    named: BTreeMap<String, Standing>,
    outer: Vec<Relation>,
}

/// Gathers what is loose, as `read execution by id`.
#[derive(Default)]
struct Findings(RefCell<BTreeSet<String>>);

/// Returns what a text of statements reads or writes of tenants' tables that no condition binds.
pub(super) fn loose(text: &str) -> BTreeSet<String> {
    let is_sqlite = ["?", "INDEXED", "unixepoch", "CROSS JOIN"];
    let is_sqlite = is_sqlite.iter().any(|mark| text.contains(mark));
    let statements = if is_sqlite && !text.contains("LATERAL") {
        // What the dialect of the parser lacks: how SQLite is to go about it.
        let text = text.replace("CROSS JOIN", "JOIN");
        Parser::parse_sql(&SQLiteDialect {}, &text.replace("AS MATERIALIZED", "AS"))
    } else {
        Parser::parse_sql(&PostgreSqlDialect {}, text)
    };
    let statements = match statements {
        Ok(statements) => statements,
        Err(error) => return [format!("not read, for {error}")].into(),
    };
    let findings = Findings::default();
    for statement in &statements {
        findings.statement(statement, &Around::default());
    }
    findings.0.into_inner()
}

impl Findings {
    fn statement(&self, statement: &Statement, around: &Around) -> Standing {
        match statement {
            Statement::Query(query) => self.query(query, around),
            Statement::Insert(insert) => {
                let TableObject::TableName(table) = &insert.table else {
                    panic!("{insert}");
                };
                let table = table.to_string();
                let columns: Vec<String> = insert.columns.iter().map(ToString::to_string).collect();
                let is_bound = OF_NOBODY.contains(&table.as_str())
                    || columns.iter().any(|column| column == "tenant_id");
                if !is_bound {
                    self.0.borrow_mut().insert(format!("insert {table}"));
                }
                if let Some(source) = &insert.source {
                    self.query(source, around);
                }
                Standing::Bound
            }
            Statement::Update(update) => {
                let mut from = vec![&update.table];
                if let Some(UpdateTableFromKind::AfterSet(more)) = &update.from {
                    from.extend(more);
                }
                let inside: Vec<&Expr> = update.assignments.iter().map(|one| &one.value).collect();
                self.part("update", &from, update.selection.as_ref(), &inside, around)
            }
            Statement::Delete(delete) => {
                let FromTable::WithFromKeyword(from) = &delete.from else {
                    panic!("{delete}");
                };
                let from: Vec<_> = from.iter().chain(delete.using.iter().flatten()).collect();
                self.part("delete", &from, delete.selection.as_ref(), &[], around)
            }
            Statement::Explain { statement, .. } => self.statement(statement, around),
            // Transactions and settings.
            _ => Standing::Values,
        }
    }

    fn query(&self, query: &Query, around: &Around) -> Standing {
        let mut around = around.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let name = cte.alias.name.value.clone();
            // What refers to itself stands as what it begins with.
            if let SetExpr::SetOperation { left, .. } = &*cte.query.body {
                let begins = Self::default().body(left, "read", &around);
                around.named.insert(name.clone(), begins);
            }
            let standing = self.query(&cte.query, &around);
            around.named.insert(name, standing);
        }
        let verb = if query.locks.is_empty() {
            "read"
        } else {
            "lock"
        };
        self.body(&query.body, verb, &around)
    }

    fn body(&self, body: &SetExpr, verb: &str, around: &Around) -> Standing {
        match body {
            SetExpr::Select(select) => self.select(select, verb, around),
            SetExpr::Query(query) => self.query(query, around),
            SetExpr::SetOperation { left, right, .. } => {
                let left = self.body(left, verb, around);
                left.max(self.body(right, verb, around))
            }
            SetExpr::Insert(inner) | SetExpr::Update(inner) | SetExpr::Delete(inner) => {
                self.statement(inner, around)
            }
            SetExpr::Values(_) => Standing::Values,
            other => panic!("{other}"),
        }
    }

    fn select(&self, select: &Select, verb: &str, around: &Around) -> Standing {
        let from: Vec<&TableWithJoins> = select.from.iter().collect();
        let mut inside = outermost(&select.projection);
        inside.extend(outermost(&select.group_by));
        let standing = self.part(verb, &from, select.selection.as_ref(), &[], around);
        let around = Self::beside(&from, select.selection.as_ref(), around);
        for query in inside {
            self.query(&query, &around);
        }
        standing
    }

    /// The same place with the tables of a part around it.
    fn beside(from: &[&TableWithJoins], condition: Option<&Expr>, around: &Around) -> Around {
        let (relations, _) = Self::default().bound(from, condition, around);
        let mut around = around.clone();
        around.outer.splice(0..0, relations);
        around
    }

    /// One part with its tables; findings are those of the part and of what lies within its conditions.
    fn part(
        &self,
        verb: &str,
        from: &[&TableWithJoins],
        condition: Option<&Expr>,
        inside: &[&Expr],
        around: &Around,
    ) -> Standing {
        let (relations, conditions) = self.bound(from, condition, around);
        let own = Around {
            outer: relations.iter().chain(&around.outer).cloned().collect(),
            named: around.named.clone(),
        };
        let texts = conditions.iter().map(|condition| condition.text);
        for query in texts.chain(inside.iter().copied()).flat_map(outermost) {
            self.query(&query, &own);
        }
        for (number, relation) in relations.iter().enumerate() {
            let Some(table) = &relation.table else {
                continue;
            };
            if relation.standing == Standing::Loose {
                // Of a change the first table alone is changed.
                let verb = if number == 0 || !matches!(verb, "update" | "delete") {
                    verb
                } else {
                    "read"
                };
                let by = named_by(&relations, number, &conditions_of(&conditions, number));
                self.0
                    .borrow_mut()
                    .insert(format!("{verb} {table} by {by}"));
            }
        }
        let standings = relations.iter().map(|relation| relation.standing);
        standings.max().unwrap_or(Standing::Values)
    }

    /// The tables of a part as they stand, and its conditions.
    fn bound<'a>(
        &self,
        from: &[&'a TableWithJoins],
        condition: Option<&'a Expr>,
        around: &Around,
    ) -> (Vec<Relation>, Vec<Condition<'a>>) {
        let mut relations: Vec<Relation> = Vec::new();
        let mut conditions = Vec::new();
        for one in from {
            let first = relations.len();
            let joined = one.joins.iter().map(|join| &join.relation);
            for factor in [&one.relation].into_iter().chain(joined) {
                let relation = self.relation(factor, &relations, around);
                relations.push(relation);
            }
            for (number, join) in (first + 1..).zip(&one.joins) {
                let (JoinOperator::Join(on)
                | JoinOperator::Inner(on)
                | JoinOperator::Left(on)
                | JoinOperator::LeftOuter(on)
                | JoinOperator::CrossJoin(on)) = &join.join_operator
                else {
                    panic!("{join}");
                };
                let is_left = matches!(
                    join.join_operator,
                    JoinOperator::Left(_) | JoinOperator::LeftOuter(_)
                );
                if let JoinConstraint::On(on) = on {
                    conjuncts(on, is_left.then_some(number), &mut conditions);
                }
            }
        }
        if let Some(condition) = condition {
            conjuncts(condition, None, &mut conditions);
        }
        while let Some(next) = (0..relations.len()).find(|&number| {
            relations[number].standing == Standing::Loose
                && is_bound(
                    &relations,
                    number,
                    &conditions_of(&conditions, number),
                    around,
                )
        }) {
            relations[next].standing = Standing::Bound;
        }
        (relations, conditions)
    }

    fn relation(&self, factor: &TableFactor, before: &[Relation], around: &Around) -> Relation {
        match factor {
            TableFactor::Table {
                name, alias, args, ..
            } => {
                let name = name.to_string();
                let alias = alias
                    .as_ref()
                    .map_or(&name, |alias| &alias.name.value)
                    .clone();
                let named = around.named.get(&name).copied();
                let is_loose =
                    OF_TENANTS.contains(&name.as_str()) || OF_ROWS.contains(&name.as_str());
                let standing = match named {
                    Some(standing) => standing,
                    None if args.is_some() => Standing::Values,
                    None if is_loose => Standing::Loose,
                    None if OF_NOBODY.contains(&name.as_str()) || name.starts_with("pg_") => {
                        Standing::OfNobody
                    }
                    None => panic!("a table that is not listed: {name}"),
                };
                let table = (named.is_none() && is_loose).then_some(name);
                Relation {
                    alias,
                    table,
                    standing,
                }
            }
            TableFactor::Derived {
                subquery,
                alias,
                lateral,
                ..
            } => {
                let mut around = around.clone();
                if *lateral {
                    around.outer.splice(0..0, before.iter().cloned());
                }
                let alias = alias.as_ref().map(|alias| alias.name.value.clone());
                Relation {
                    alias: alias.unwrap_or_default(),
                    table: None,
                    standing: self.query(subquery, &around),
                }
            }
            TableFactor::UNNEST { alias, .. } => Relation {
                alias: alias
                    .as_ref()
                    .map(|alias| alias.name.value.clone())
                    .unwrap_or_default(),
                table: None,
                standing: Standing::Values,
            },
            other => panic!("{other}"),
        }
    }
}

fn conjuncts<'a>(text: &'a Expr, of: Option<usize>, found: &mut Vec<Condition<'a>>) {
    match text {
        Expr::Nested(inner) => conjuncts(inner, of, found),
        Expr::BinaryOp {
            left,
            op: BinaryOperator::And,
            right,
        } => {
            conjuncts(left, of, found);
            conjuncts(right, of, found);
        }
        text => found.push(Condition { of, text }),
    }
}

/// The queries within something, without those within them.
fn outermost<V: Visit + ?Sized>(of: &V) -> Vec<Query> {
    struct Outermost(usize, Vec<Query>);
    impl Visitor for Outermost {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            if self.0 == 0 {
                self.1.push(query.clone());
            }
            self.0 += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }
    }
    let mut found = Outermost(0, Vec::new());
    let _ = of.visit(&mut found);
    found.1
}
