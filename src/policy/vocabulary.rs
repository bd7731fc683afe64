//! The words of policies: entities and their attributes, once as the schema declares them and once with their
//! values for a question. Both come from the same tables, so they cannot differ.

use cedar_policy::{EntityId, EntityTypeName, EntityUid, ParseErrors, RestrictedExpression};

use super::question::{Action, Described, Phase, Question, Submit};
use crate::model::{ArtifactState, Principal, Reach, Session, SessionId, SessionStatus, TenantId};

/// The type of an attribute.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) is_optional: bool,
}

const fn kind(name: &'static str) -> Kind {
    Kind {
        name,
        is_optional: false,
    }
}

const fn maybe(name: &'static str) -> Kind {
    Kind {
        name,
        is_optional: true,
    }
}

const TEXT: &str = "String";
const NUMBER: &str = "Long";
const TRUTH: &str = "Bool";
const TEXTS: &str = "Set<String>";
/// The types of entities.
#[derive(Clone, Copy)]
pub(super) enum EntityType {
    Caller,
    Tenant,
    Session,
    IntentType,
    Artifact,
    ArtifactState,
    SessionStatus,
    Phase,
    Action,
}

impl EntityType {
    /// Each of them, in the order of their numbers.
    const ALL: [Self; 9] = [
        Self::Caller,
        Self::Tenant,
        Self::Session,
        Self::IntentType,
        Self::Artifact,
        Self::ArtifactState,
        Self::SessionStatus,
        Self::Phase,
        Self::Action,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Caller => "Caller",
            Self::Tenant => "Tenant",
            Self::Session => "Session",
            Self::IntentType => "IntentType",
            Self::Artifact => "Artifact",
            Self::ArtifactState => "ArtifactState",
            Self::SessionStatus => "SessionStatus",
            Self::Phase => "Phase",
            Self::Action => "Action",
        }
    }
}

/// An attribute as the schema declares it.
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) about: &'static [&'static str],
}

/// The value of an attribute.
type Value = RestrictedExpression;

/// Attributes with their values.
pub(super) type Values = Vec<(String, RestrictedExpression)>;

/// Defines attributes by one table: as the schema declares them, and their values for a subject.
macro_rules! attributes {
    ($shape:ident, fn $values:ident($names:ident, $subject:ident: $type:ty) {
        $($(#[doc = $doc:literal])+ $name:literal: $kind:expr => $value:expr,)*
    }) => {
        pub(super) const $shape: &[Attribute] = &[
            $(Attribute { name: $name, kind: $kind, about: &[$($doc),+] }),*
        ];

        pub(super) fn $values($names: &Names, $subject: &$type) -> Values {
            // None where an optional one is absent.
            let values: Vec<(&str, Option<Value>)> = vec![$(($name, Option::from($value))),*];
            let present = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
            values.into_iter().filter_map(present).collect()
        }
    };
}

attributes! {
    OF_CALLER, fn of_caller(_names, principal: Principal) {
        /// The tenant to which the caller belongs.
        "tenant": kind(TEXT) => text(principal.tenant().as_str()),
        /// The name under which the log knows the caller: `development`, a key's id, a user of an issuer. An
        /// execution acts for its submitter.
        "actor": kind(TEXT) => text(principal.actor()),
        /// The user whose sessions, executions and artifacts are the caller's own.
        "user": maybe(TEXT) => match principal.own() {
            Reach::User(user) => Some(text(user)),
            Reach::Tenant | Reach::Session(_) | Reach::Executions(_) => None,
        },
        /// The scopes of the caller, such as `intents:submit:echo`.
        "scopes": kind(TEXTS) => {
            let scopes = principal.grants().scopes();
            let scopes = scopes.map(|scope| RestrictedExpression::new_string(scope.to_string()));
            RestrictedExpression::new_set(scopes)
        },
    }
}

attributes! {
    OF_SESSION, fn of_session(names, session: Session) {
        /// Its tenant.
        "tenant": kind(TEXT) => text(session.tenant_id.as_str()),
        /// Its user, once there is one.
        "user": maybe(TEXT) => session.user_id.as_deref().map(text),
        /// The solution that intents of the session go to unless they say otherwise.
        "solution": maybe(TEXT) => session.solution_id.as_deref().map(text),
        /// True until the session has a user.
        "anonymous": kind(TRUTH) => truth(session.is_anonymous),
        /// Where it is in its life.
        "status": kind(EntityType::SessionStatus.name()) => {
            entity(names.uid(EntityType::SessionStatus, status_name(session.status)))
        },
    }
}

attributes! {
    OF_INTENT_TYPE, fn of_intent_type(_names, submit: Submit<'_>) {
        /// Its name, such as `ingest_file`.
        "name": kind(TEXT) => text(submit.intent_type),
        /// True if the handler to which the intent was routed changes nothing.
        "readOnly": kind(TRUTH) => truth(submit.is_read_only),
    }
}

attributes! {
    OF_ARTIFACT, fn of_artifact(names, artifact: Described<'_>) {
        /// Its tenant.
        "tenant": kind(TEXT) => text(artifact.tenant.as_str()),
        /// Its kind, such as `parsed_content`.
        "type": kind(TEXT) => text(artifact.artifact_type),
        /// Its state before what is asked; that in which it is to be registered.
        "state": kind(EntityType::ArtifactState.name()) => entity(names.uid(EntityType::ArtifactState, artifact.state.name())),
        /// The session of the execution that produced it.
        "session": kind(EntityType::Session.name()) => entity(names.session(artifact.tenant, artifact.session_id)),
        /// The type of the intent that produced it.
        "intentType": kind(TEXT) => text(artifact.intent_type),
        /// The user of the execution that produced it.
        "user": maybe(TEXT) => artifact.user.map(text),
        /// Who it belongs to, as its handler says.
        "owner": maybe(TEXT) => artifact.owner.map(text),
        /// Its name for people.
        "displayName": maybe(TEXT) => artifact.display_name.map(text),
    }
}

/// A question with the tenant of whoever asks.
#[derive(Clone, Copy)]
pub(super) struct Circumstances<'a> {
    pub(super) question: &'a Question<'a>,
    pub(super) tenant: &'a TenantId,
    /// The size of the content that it is about.
    pub(super) size_bytes: i64,
}

attributes! {
    OF_SUBMIT, fn of_submit(names, asked: (Submit<'_>, Circumstances<'_>)) {
        /// The session of the intent.
        "session": kind(EntityType::Session.name()) => entity(names.session(asked.1.tenant, asked.0.session_id)),
        /// The solution of the intent.
        "solution": kind(TEXT) => text(asked.0.solution_id),
        /// The handler to which the intent was routed.
        "handler": kind(TEXT) => text(asked.0.handler_name),
        /// 0 (first) to 9.
        "priority": kind(NUMBER) => number(asked.0.priority),
        /// The size of the parameters as JSON.
        "sizeBytes": kind(NUMBER) => number(asked.0.size_bytes),
        /// The type of the parent's intent, where the intent is a child's.
        "parentIntentType": maybe(TEXT) => {
            asked.1.question.during.map(|during| text(during.intent_type))
        },
        /// True if a finished execution is run again.
        "rerun": kind(TRUTH) => truth(asked.0.is_rerun),
    }
}

attributes! {
    OF_DURING, fn of_during(names, asked: Circumstances<'_>) {
        /// The session of the execution that does it; absent where a client does it.
        "session": maybe(EntityType::Session.name()) => {
            asked.question.session().map(|id| entity(names.session(asked.tenant, id)))
        },
        /// The type of the intent of the execution that does it; absent where a client does it.
        "intentType": maybe(TEXT) => {
            asked.question.during.map(|during| text(during.intent_type))
        },
        /// The size of the content: all that the artifact has, or that of the form which is read.
        "sizeBytes": kind(NUMBER) => number(asked.size_bytes),
    }
}

attributes! {
    OF_MATERIALIZE, fn of_materialize(names, phase: Phase) {
        /// OPEN: an artifact is registered as PENDING. SAVE: it becomes READY. AT_ONCE: one is registered as READY.
        "phase": kind(EntityType::Phase.name()) => entity(names.uid(EntityType::Phase, phase.name())),
    }
}

attributes! {
    OF_TRANSITION, fn of_transition(names, to: ArtifactState) {
        /// The wanted state.
        "to": kind(EntityType::ArtifactState.name()) => entity(names.uid(EntityType::ArtifactState, to.name())),
    }
}

attributes! {
    OF_READ, fn of_read(_names, format: &'_ str) {
        /// The form that is read, such as `csv`.
        "format": kind(TEXT) => text(format),
    }
}

fn text(text: &str) -> Value {
    RestrictedExpression::new_string(text.to_owned())
}

fn number(number: i64) -> Value {
    RestrictedExpression::new_long(number)
}

fn truth(truth: bool) -> Value {
    RestrictedExpression::new_bool(truth)
}

fn entity(uid: EntityUid) -> Value {
    RestrictedExpression::new_entity_uid(uid)
}

/// The name of a status in policies.
pub(super) fn status_name(status: SessionStatus) -> &'static str {
    match status {
        SessionStatus::Active => "ACTIVE",
        SessionStatus::Upgraded => "UPGRADED",
        SessionStatus::Closed => "CLOSED",
        SessionStatus::Expired => "EXPIRED",
    }
}

/// The names of entities' types as Cedar knows them.
pub(super) struct Names(Vec<EntityTypeName>);

impl Names {
    pub(super) fn new() -> Result<Self, Box<ParseErrors>> {
        let names = EntityType::ALL.iter();
        let names = names.map(|of| of.name().parse().map_err(Box::new));
        names.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn uid(&self, of: EntityType, id: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.0[of as usize].clone(), EntityId::new(id))
    }

    /// Ids of sessions are unique within their tenant alone.
    pub(super) fn session(&self, tenant: &TenantId, id: SessionId) -> EntityUid {
        self.uid(EntityType::Session, &format!("{tenant}/{id}"))
    }

    pub(super) fn action(&self, action: Action) -> EntityUid {
        self.uid(EntityType::Action, action.name())
    }
}
