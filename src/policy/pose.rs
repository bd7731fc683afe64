//! A question in the terms of Cedar.

use cedar_policy::{Context, Entities, Entity, EntityUid, Request};

use super::{
    question::{Asked, Described, Question, Submit},
    vocabulary::{
        Circumstances, EntityType, Names, Values, of_artifact, of_caller, of_during,
        of_intent_type, of_materialize, of_read, of_session, of_submit, of_transition,
    },
};
use crate::model::{Principal, Session, TenantId};

/// A request with the entities that it names.
pub(super) struct Posed {
    pub(super) request: Request,
    pub(super) entities: Entities,
}

/// What was looked up for a question, as far as policies may look at it.
#[derive(Default)]
pub(super) struct LookedUp {
    pub(super) sessions: Vec<Session>,
    /// The size of the content that it is about.
    pub(super) size_bytes: i64,
}

/// A question cannot be put in the terms of Cedar.
#[derive(Debug, thiserror::Error)]
#[error("a question to the policies cannot be posed: {0}")]
pub(super) struct Unposable(String);

/// An entity to be: its name, its attributes and the tenant that it belongs to.
type Subject<'a> = (EntityUid, Values, Option<&'a TenantId>);

impl Names {
    /// Puts a question in the terms of Cedar.
    pub(super) fn pose(
        &self,
        principal: &Principal,
        question: &Question<'_>,
        looked_up: &LookedUp,
    ) -> Result<Posed, Unposable> {
        let tenant = principal.tenant();
        let of_question = Circumstances {
            question,
            tenant,
            size_bytes: looked_up.size_bytes,
        };
        let during = || of_during(self, &of_question);
        let (resource, context) = match &question.asked {
            Asked::Submit(submit) => {
                let context = of_submit(self, &(*submit, of_question));
                (self.intent_type(submit), context)
            }
            Asked::Materialize(about, phase) => {
                let context = both(during(), of_materialize(self, phase));
                (self.artifact(&about.artifact), context)
            }
            Asked::Transition(about, to) => {
                let context = both(during(), of_transition(self, to));
                (self.artifact(&about.artifact), context)
            }
            Asked::ReadContent(about, format) => {
                let context = both(during(), of_read(self, format));
                (self.artifact(&about.artifact), context)
            }
        };
        let caller = self.caller(principal);
        let action = self.action(question.action());
        let context = Context::from_pairs(context).map_err(unposable)?;
        let request = Request::new(caller.0.clone(), action, resource.0.clone(), context, None);
        let sessions = looked_up
            .sessions
            .iter()
            .map(|session| self.of_session(session));
        let entities = [caller, resource].into_iter().chain(sessions);
        let entities = entities.map(|subject| self.entity(subject));
        let entities: Vec<Entity> = entities.collect::<Result<_, _>>()?;
        Ok(Posed {
            request: request.map_err(unposable)?,
            entities: Entities::from_entities(entities, None).map_err(unposable)?,
        })
    }

    fn caller<'a>(&self, principal: &'a Principal) -> Subject<'a> {
        let tenant = principal.tenant();
        let uid = self.uid(
            EntityType::Caller,
            &format!("{tenant}/{}", principal.actor()),
        );
        (uid, of_caller(self, principal), Some(tenant))
    }

    fn intent_type(&self, submit: &Submit<'_>) -> Subject<'static> {
        let uid = self.uid(EntityType::IntentType, submit.intent_type);
        (uid, of_intent_type(self, submit), None)
    }

    fn artifact<'a>(&self, artifact: &Described<'a>) -> Subject<'a> {
        let uid = self.uid(EntityType::Artifact, &artifact.id.to_string());
        (uid, of_artifact(self, artifact), Some(artifact.tenant))
    }

    fn of_session<'a>(&self, session: &'a Session) -> Subject<'a> {
        let uid = self.session(&session.tenant_id, session.id);
        (uid, of_session(self, session), Some(&session.tenant_id))
    }

    fn entity(&self, (uid, attributes, owner): Subject<'_>) -> Result<Entity, Unposable> {
        let tenant = owner.map(|tenant| self.uid(EntityType::Tenant, tenant.as_str()));
        let (attributes, parents) = (
            attributes.into_iter().collect(),
            tenant.into_iter().collect(),
        );
        Entity::new(uid, attributes, parents).map_err(unposable)
    }
}

fn both(mut one: Values, mut other: Values) -> Values {
    one.append(&mut other);
    one
}

fn unposable(error: impl std::fmt::Display) -> Unposable {
    Unposable(error.to_string())
}
