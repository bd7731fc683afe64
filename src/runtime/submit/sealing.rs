//! Sensitive parameters are sealed before anything is stored, and opened for the handler alone. What is stored as
//! the parameters has a mask in their place, so whatever shows parameters shows that.

use serde_json::Value;

use crate::{
    model::{Execution, Intent, IntentId, Payload, RawJson, Refusal, TenantScope},
    runtime::{
        catalog::Declaration,
        engine::Engine,
        error::Error,
        handler_error::HandlerError,
        request::SubmitIntent,
        sensitive::{is_masked, masked, secrets, without},
    },
    vault::{self, Vault},
};

/// Parameters as a handler gets them.
pub(in crate::runtime) struct Opened {
    pub(in crate::runtime) parameters: RawJson,
    /// The texts that no message may show.
    pub(in crate::runtime) secrets: Vec<String>,
}

/// The sensitive places of a request's parameters, and what tells it from other requests.
pub(super) struct Sealing {
    pub(super) places: Vec<String>,
    /// Stands for the parameters where requests are compared.
    pub(super) digest: Option<String>,
}

impl Sealing {
    /// A refusal that shows nothing of the sensitive parameters.
    pub(super) fn without_secrets(&self, refusal: Refusal, parameters: &Value) -> Refusal {
        let Refusal::InvalidInput(mut faults) = refusal else {
            return refusal;
        };
        let secrets = secrets(parameters, &self.places);
        for fault in &mut faults {
            fault.message = without(std::mem::take(&mut fault.message), &secrets);
        }
        Refusal::InvalidInput(faults)
    }

    /// An error of the handler's own code that shows nothing of the sensitive parameters.
    pub(super) fn masked(&self, error: HandlerError, parameters: &Value) -> HandlerError {
        error.without(&secrets(parameters, &self.places))
    }
}

impl Engine {
    pub(in crate::runtime) fn vault(&self) -> Result<&Vault, vault::Error> {
        self.vault.as_ref().ok_or(vault::Error::NoKeys)
    }

    /// Looks for sensitive parameters.
    pub(super) fn sealing(
        &self,
        handler: &Declaration,
        intent: &SubmitIntent,
        parameters: &Value,
    ) -> Result<Sealing, Error> {
        let places = self.catalog.sensitive_places(handler, parameters);
        let digest = if places.is_empty() {
            None
        } else {
            Some(self.vault()?.blind(&intent.parameters.canonical())?)
        };
        Ok(Sealing { places, digest })
    }

    /// What is stored of parameters: as they are shown, and, where some are sensitive, as they are, sealed for the
    /// intent.
    pub(super) async fn store_parameters(
        &self,
        scope: &TenantScope,
        id: IntentId,
        parameters: &RawJson,
        sealing: &Sealing,
    ) -> Result<(Payload, Option<Payload>), Error> {
        if sealing.places.is_empty() {
            return Ok((self.payloads.store(scope, parameters).await?, None));
        }
        let sealed = self
            .vault()?
            .seal(scope.tenant(), id, parameters.as_str())?;
        let sealed = RawJson::from(&Value::from(sealed));
        let shown = masked(&parameters.to_value(), &sealing.places);
        let shown = self.payloads.store(scope, &shown).await?;
        Ok((shown, Some(self.payloads.store(scope, &sealed).await?)))
    }

    /// The hash of something that was made of parameters: one that nobody can compare with guesses where some of them
    /// are sensitive.
    pub(super) fn blinded(
        &self,
        handler: &Declaration,
        parameters: &Value,
        hash: String,
    ) -> Result<String, HandlerError> {
        if self
            .catalog
            .sensitive_places(handler, parameters)
            .is_empty()
        {
            return Ok(hash);
        }
        let vault = self.vault().map_err(unopened)?;
        vault.blind(&hash).map_err(unopened)
    }

    /// The parameters of an execution for its handler.
    pub(in crate::runtime) async fn open_parameters(
        &self,
        scope: &TenantScope,
        handler: &Declaration,
        execution: &Execution,
    ) -> Result<Opened, HandlerError> {
        let intent = &execution.intent;
        let parameters = match &intent.sealed {
            Some(sealed) => self.unseal(scope, intent.id, sealed).await?,
            None => self.payloads.load(scope, &intent.parameters).await?,
        };
        let value = parameters.to_value();
        let places = self.catalog.sensitive_places(handler, &value);
        if intent.sealed.is_none() && is_masked(&value, &places) {
            return Err(unopened(vault::Error::Broken));
        }
        Ok(Opened {
            secrets: secrets(&value, &places),
            parameters,
        })
    }

    async fn unseal(
        &self,
        scope: &TenantScope,
        id: IntentId,
        sealed: &Payload,
    ) -> Result<RawJson, HandlerError> {
        let sealed = self.payloads.load(scope, sealed).await?.to_value();
        let sealed = sealed.as_str().unwrap_or_default();
        let vault = self.vault().map_err(unopened)?;
        let opened = vault.reveal(scope.tenant(), id, sealed).await;
        Ok(RawJson::trusted(opened.map_err(unopened)?))
    }

    /// The parameters of an execution that is run again. Those that were stored before the handler marked any of them
    /// are sealed now.
    pub(super) async fn parameters_of_rerun(
        &self,
        scope: &TenantScope,
        handler: &Declaration,
        intent: &Intent,
    ) -> Result<(Payload, Option<Payload>), Error> {
        let as_they_are = || (intent.parameters.clone(), intent.sealed.clone());
        if intent.sealed.is_some() || !handler.may_be_sensitive() {
            return Ok(as_they_are());
        }
        let parameters = self.payloads.load(scope, &intent.parameters).await?;
        let value = parameters.to_value();
        let places = self.catalog.sensitive_places(handler, &value);
        // What is behind a mask is lost, which the attempt says.
        if places.is_empty() || is_masked(&value, &places) {
            return Ok(as_they_are());
        }
        let sealing = Sealing {
            places,
            digest: None,
        };
        self.store_parameters(scope, intent.id, &parameters, &sealing)
            .await
    }
}

/// A node that lacks a key may get it, and another one may have it: such attempts do not count.
fn unopened(error: vault::Error) -> HandlerError {
    match error {
        vault::Error::Storage(error) => error.into(),
        vault::Error::NoKeys | vault::Error::MissingKey(_) => {
            HandlerError::interrupted(error.to_string())
        }
        vault::Error::Broken | vault::Error::Overtaken => HandlerError::fatal(
            "UNREADABLE_PARAMETERS",
            "the sealed parameters cannot be opened",
        ),
    }
}
