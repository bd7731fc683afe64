//! What schedules submit: checked when a schedule is made, and submitted as by anybody else when it is due.

use std::sync::Arc;

use super::Checked;
use crate::{
    model::{IntentId, Micros, Principal, RawJson, Refusal, Schedule, ScheduleId, time_of},
    runtime::{
        decisions::Accepting,
        engine::Engine,
        error::Error,
        request::{SubmitIntent, Submitted},
        sensitive::masked,
    },
    storage::{Key, KeyScope, ScheduleRun},
};

/// How a schedule submits.
pub(super) struct Scheduled {
    pub(super) key: Option<Key>,
    pub(super) run: ScheduleRun,
}

/// The parameters of a schedule as its row has them.
pub(in crate::runtime) struct StoredParameters {
    /// As they are shown.
    pub(in crate::runtime) shown: RawJson,
    /// As the handler gets them, where some are sensitive.
    pub(in crate::runtime) sealed: Option<String>,
}

impl Engine {
    /// Refuses an intent that a principal could not submit now.
    pub(in crate::runtime) async fn check_schedule(
        &self,
        principal: &Principal,
        id: ScheduleId,
        intent: &SubmitIntent,
    ) -> Result<StoredParameters, Error> {
        principal.check_submit(&intent.intent_type)?;
        self.refuse_while_draining()?;
        let size_bytes = intent.parameters.as_str().len();
        self.limits.check_scheduled_parameters(size_bytes)?;
        let scope = principal.scope();
        let reach = principal.reach_of_submits();
        let session = intent.session_id;
        if !self
            .storage
            .reaches_session(&scope, &reach, session)
            .await?
        {
            return Err(Refusal::not_found("session", "sessionId").into());
        }
        let Checked {
            handler,
            parameters,
            solution_id,
            sealing,
            limits: _,
        } = self.check(&scope, intent).await?;
        let accepting = Accepting {
            session_id: session,
            solution_id: &solution_id,
            priority: intent.priority.unwrap_or(super::DEFAULT_PRIORITY),
            size_bytes,
            is_rerun: false,
            parent: None,
        };
        self.decide_submit(principal, &handler, accepting).await?;
        if sealing.places.is_empty() {
            return Ok(StoredParameters {
                shown: intent.parameters.clone(),
                sealed: None,
            });
        }
        let text = intent.parameters.as_str();
        let sealed = self.vault()?.seal(scope.tenant(), IntentId(id.0), text)?;
        Ok(StoredParameters {
            shown: masked(&parameters, &sealing.places),
            sealed: Some(sealed),
        })
    }

    async fn intent_of(&self, schedule: &Schedule) -> Result<SubmitIntent, Error> {
        let parameters = match &schedule.sealed {
            Some(sealed) => {
                let (vault, id) = (self.vault()?, IntentId(schedule.id.0));
                let opened = vault.reveal(&schedule.tenant_id, id, sealed).await?;
                RawJson::trusted(opened)
            }
            None => schedule.parameters.clone(),
        };
        Ok(SubmitIntent {
            solution_id: schedule.solution_id.clone(),
            handler_name: schedule.handler_name.clone(),
            metadata: schedule.metadata.clone(),
            priority: schedule.priority,
            ..SubmitIntent::new(&schedule.intent_type, schedule.session_id, parameters)
        })
    }

    /// Submits what a schedule does at one of its times: once for each, whoever tries it and however often.
    pub(in crate::runtime) async fn fire(
        self: &Arc<Self>,
        schedule: &Schedule,
        at: Micros,
    ) -> Result<Submitted, Error> {
        let mut intent = self.intent_of(schedule).await?;
        let time = time_of(at).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        intent.idempotency_key = Some(format!("{}/{time}", schedule.id));
        let key = format!("{}/{at}", schedule.id);
        // A time is not looked at any more when it is that late; until then its key is known.
        let ttl = self.settings.idempotency_ttl_micros;
        let late = schedule.catch_up_micros + schedule.jitter_micros;
        let scheduled = Scheduled {
            key: Some(Key {
                scope: KeyScope::Schedule,
                // The same time is the same work, whatever the request has become.
                request_hash: key.clone(),
                key,
                ttl_micros: Some(ttl.saturating_add(late)),
            }),
            run: ScheduleRun {
                schedule_id: schedule.id,
                version: Some(schedule.version),
                scheduled_at: Some(at),
                triggered_by: None,
            },
        };
        let principal = Principal::of_schedule(schedule);
        self.submit_for(&principal, intent, Some(scheduled)).await
    }

    /// Submits what a schedule does at once, because somebody wants it.
    pub(in crate::runtime) async fn trigger(
        self: &Arc<Self>,
        schedule: &Schedule,
        triggered_by: &Arc<str>,
        idempotency_key: Option<String>,
    ) -> Result<Submitted, Error> {
        if let Some(fault) = super::fault_of_key(idempotency_key.as_deref()) {
            return Err(Refusal::InvalidInput(vec![fault]).into());
        }
        let mut intent = self.intent_of(schedule).await?;
        let ttl_micros = Some(self.settings.idempotency_ttl_micros);
        let key = idempotency_key.as_ref().map(|key| Key {
            scope: KeyScope::Schedule,
            key: format!("{}/triggered/{key}", schedule.id),
            request_hash: key.clone(),
            ttl_micros,
        });
        intent.idempotency_key = idempotency_key;
        let run = ScheduleRun {
            schedule_id: schedule.id,
            version: None,
            scheduled_at: None,
            triggered_by: Some(Arc::clone(triggered_by)),
        };
        let principal = Principal::of_schedule(schedule);
        self.submit_for(&principal, intent, Some(Scheduled { key, run }))
            .await
    }
}
