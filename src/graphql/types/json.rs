//! The scalar JSON: to the letter, both ways.

use std::borrow::Cow;

use async_graphql::{
    Context, ContextSelectionSet, InputType, InputValueError, InputValueResult, Name, OutputType,
    Positioned, ServerResult, Value,
    indexmap::IndexMap,
    parser::types::Field,
    registry::{MetaType, MetaTypeId, Registry},
};
use async_graphql_value::RAW_VALUE_TOKEN;

use super::counted::{counted, meter};
use crate::{
    api::ApiError,
    graphql::loading::Caller,
    model::{Payload, RawJson},
};

/// Any JSON value. In an answer its bytes are counted before they are copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(pub RawJson);

impl Json {
    /// The JSON of a payload, wherever it is kept.
    pub(crate) async fn load(ctx: &Context<'_>, payload: &Payload) -> Result<Self, ApiError> {
        if let Some(inline) = payload.as_inline() {
            return Ok(Self(inline));
        }
        let caller = Caller::of(ctx)?;
        let runtime = &caller.services.runtime;
        Ok(Self(runtime.payload(&caller.scope, payload).await?))
    }

    const NAME: &'static str = "JSON";
    const DESCRIPTION: &'static str =
        "Any JSON value: an object, a list, a string, a number, a boolean or `null`.";
    const SPECIFICATION: &'static str = "https://datatracker.ietf.org/doc/html/rfc8259";

    fn meta_type() -> MetaType {
        MetaType::Scalar {
            name: Self::NAME.to_owned(),
            description: Some(Self::DESCRIPTION.to_owned()),
            is_valid: None,
            visible: None,
            inaccessible: false,
            tags: Vec::new(),
            specified_by_url: Some(Self::SPECIFICATION.to_owned()),
            directive_invocations: Vec::new(),
            requires_scopes: Vec::new(),
        }
    }

    /// The stored text as it is, without being taken apart and put together again.
    fn raw(&self) -> Value {
        let text = Value::String(self.0.as_str().to_owned());
        Value::Object(IndexMap::from_iter([(Name::new(RAW_VALUE_TOKEN), text)]))
    }
}

impl InputType for Json {
    type RawValueType = Self;

    fn type_name() -> Cow<'static, str> {
        Self::NAME.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_input_type::<Self, _>(MetaTypeId::Scalar, |_| Self::meta_type())
    }

    fn parse(value: Option<Value>) -> InputValueResult<Self> {
        RawJson::of(&value.unwrap_or_default())
            .map(Self)
            .map_err(|_| InputValueError::custom("expected a JSON value"))
    }

    fn to_value(&self) -> Value {
        self.raw()
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }
}

impl OutputType for Json {
    fn type_name() -> Cow<'static, str> {
        Self::NAME.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Scalar, |_| Self::meta_type())
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        if let Some(meter) = meter(ctx) {
            counted(meter.answer_text(self.0.as_str().len()), field)?;
        }
        Ok(self.raw())
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn json_goes_out_to_the_letter() {
        let text = r#"{"b": 1.10, "a": [12345678901234567890123, null]}"#;
        let shown = Json(RawJson::parse(text).unwrap()).raw();
        assert_eq!(serde_json::to_string(&shown).unwrap(), text);
    }

    #[test]
    fn json_keeps_the_order_of_what_comes_in() {
        let value = value!({ "b": 1, "a": { "z": [true, null] } });
        let json = <Json as InputType>::parse(Some(value)).unwrap();
        assert_eq!(json.0.as_str(), r#"{"b":1,"a":{"z":[true,null]}}"#);
    }
}
