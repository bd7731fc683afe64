//! Values for the driver. Unlike sea-orm's own binding, arrays may hold NULL.

use sea_orm::{DbErr, Statement, Value, Values, sea_query::ArrayType};
use sea_query_sqlx::SqlxValues;
use sqlx::{
    Arguments as _, AssertSqlSafe, Encode, IntoArguments, Postgres, Type, postgres::PgArguments,
    query::Query,
};
use uuid::Uuid;

/// The values of one statement.
pub(in crate::storage) enum Bound {
    /// Without arrays.
    Plain(Values),
    /// With arrays, which PostgreSQL alone has.
    Arrays(Vec<Argument>),
}

/// A value of a statement with arrays.
pub(in crate::storage) enum Argument {
    Uuid(Option<Uuid>),
    Text(Option<String>),
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Bytes(Option<Vec<u8>>),
    Uuids(Vec<Option<Uuid>>),
    Texts(Vec<Option<String>>),
    Integers(Vec<Option<i64>>),
    Booleans(Vec<Option<bool>>),
    ByteStrings(Vec<Option<Vec<u8>>>),
}

fn refused(value: &Value) -> DbErr {
    DbErr::Type(format!("a statement with arrays cannot take {value:?}"))
}

/// The elements of an array, each as what `read` makes of it.
fn elements<T>(
    values: Vec<Value>,
    read: impl Fn(Value) -> Result<Option<T>, Value>,
) -> Result<Vec<Option<T>>, DbErr> {
    let each = values.into_iter().map(read);
    each.collect::<Result<_, _>>()
        .map_err(|value| refused(&value))
}

impl TryFrom<Value> for Argument {
    type Error = DbErr;

    fn try_from(value: Value) -> Result<Self, DbErr> {
        Ok(match value {
            Value::Uuid(value) => Self::Uuid(value),
            Value::String(value) => Self::Text(value),
            Value::BigInt(value) => Self::Integer(value),
            Value::Bool(value) => Self::Boolean(value),
            Value::Bytes(value) => Self::Bytes(value),
            Value::Array(ArrayType::Uuid, Some(values)) => {
                Self::Uuids(elements(*values, |value| match value {
                    Value::Uuid(value) => Ok(value),
                    other => Err(other),
                })?)
            }
            Value::Array(ArrayType::String, Some(values)) => {
                Self::Texts(elements(*values, |value| match value {
                    Value::String(value) => Ok(value),
                    other => Err(other),
                })?)
            }
            Value::Array(ArrayType::BigInt, Some(values)) => {
                Self::Integers(elements(*values, |value| match value {
                    Value::BigInt(value) => Ok(value),
                    other => Err(other),
                })?)
            }
            Value::Array(ArrayType::Bool, Some(values)) => {
                Self::Booleans(elements(*values, |value| match value {
                    Value::Bool(value) => Ok(value),
                    other => Err(other),
                })?)
            }
            Value::Array(ArrayType::Bytes, Some(values)) => {
                Self::ByteStrings(elements(*values, |value| match value {
                    Value::Bytes(value) => Ok(value),
                    other => Err(other),
                })?)
            }
            other => return Err(refused(&other)),
        })
    }
}

impl TryFrom<Values> for Bound {
    type Error = DbErr;

    fn try_from(values: Values) -> Result<Self, DbErr> {
        if !values
            .0
            .iter()
            .any(|value| matches!(value, Value::Array(..)))
        {
            return Ok(Self::Plain(values));
        }
        let arguments = values.0.into_iter().map(Argument::try_from);
        Ok(Self::Arrays(arguments.collect::<Result<_, _>>()?))
    }
}

fn add<T: for<'q> Encode<'q, Postgres> + Type<Postgres>>(arguments: &mut PgArguments, value: T) {
    // Numbers, ids, text and bytes can always be written to a buffer.
    let _ = arguments.add(value);
}

impl IntoArguments<Postgres> for Bound {
    fn into_arguments(self) -> PgArguments {
        let values = match self {
            Self::Plain(values) => {
                return IntoArguments::<Postgres>::into_arguments(SqlxValues(values));
            }
            Self::Arrays(values) => values,
        };
        let mut arguments = PgArguments::default();
        for value in values {
            match value {
                Argument::Uuid(value) => add(&mut arguments, value),
                Argument::Text(value) => add(&mut arguments, value),
                Argument::Integer(value) => add(&mut arguments, value),
                Argument::Boolean(value) => add(&mut arguments, value),
                Argument::Bytes(value) => add(&mut arguments, value),
                Argument::Uuids(values) => add(&mut arguments, values),
                Argument::Texts(values) => add(&mut arguments, values),
                Argument::Integers(values) => add(&mut arguments, values),
                Argument::Booleans(values) => add(&mut arguments, values),
                Argument::ByteStrings(values) => add(&mut arguments, values),
            }
        }
        arguments
    }
}

/// A statement for the driver.
///
/// # Errors
/// When it has arrays and a value that is neither an id, text, a 64-bit number, a truth value, bytes nor a
/// list of those.
pub(in crate::storage) fn bound(
    statement: Statement,
) -> Result<Query<'static, Postgres, Bound>, DbErr> {
    let values = statement.values.unwrap_or_else(|| Values(vec![]));
    Ok(sqlx::query_with(
        AssertSqlSafe(statement.sql),
        Bound::try_from(values)?,
    ))
}
