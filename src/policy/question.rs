//! What policies are asked: the action, what it is done with, and in what circumstances.

use crate::model::{
    Artifact, ArtifactId, ArtifactState, Execution, ExecutionId, NewArtifact, SessionId, TenantId,
};

/// An action that policies decide on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// An intent is submitted, by a client or as a child.
    Submit,
    /// Content becomes an artifact, or a record of fact.
    Materialize,
    /// An artifact changes its state.
    Transition,
    /// The content of an artifact is read.
    ReadContent,
}

impl Action {
    /// Each of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [
        Self::Submit,
        Self::Materialize,
        Self::Transition,
        Self::ReadContent,
    ];

    /// Its name in policies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Materialize => "materialize",
            Self::Transition => "transition",
            Self::ReadContent => "read_content",
        }
    }
}

/// The execution for which something is done.
#[derive(Debug, Clone, Copy)]
pub struct During<'a> {
    /// Its id.
    pub execution_id: ExecutionId,
    /// Its session.
    pub session_id: SessionId,
    /// The type of its intent.
    pub intent_type: &'a str,
}

impl<'a> From<&'a Execution> for During<'a> {
    fn from(execution: &'a Execution) -> Self {
        Self {
            execution_id: execution.id,
            session_id: execution.intent.session_id,
            intent_type: &execution.intent.intent_type,
        }
    }
}

/// An intent that is to be accepted.
#[derive(Debug, Clone, Copy)]
pub struct Submit<'a> {
    /// Its type.
    pub intent_type: &'a str,
    /// The handler to which it was routed.
    pub handler_name: &'a str,
    /// True if the handler changes nothing.
    pub is_read_only: bool,
    /// Its solution.
    pub solution_id: &'a str,
    /// Its session.
    pub session_id: SessionId,
    /// 0 (first) to 9.
    pub priority: i64,
    /// The size of its parameters.
    pub size_bytes: i64,
    /// True if it repeats a finished execution.
    pub is_rerun: bool,
}

/// The part of the way to a record of fact that content goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// An artifact is registered as PENDING.
    Open,
    /// A PENDING artifact becomes READY.
    Save,
    /// An artifact is registered as READY.
    AtOnce,
}

impl Phase {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Open, Self::Save, Self::AtOnce];

    /// Its name in policies.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Save => "SAVE",
            Self::AtOnce => "AT_ONCE",
        }
    }

    /// The phase in which an artifact is registered in this state.
    #[must_use]
    pub fn of_registration(state: ArtifactState) -> Self {
        match state {
            ArtifactState::Pending => Self::Open,
            _ => Self::AtOnce,
        }
    }
}

/// An artifact as policies see it.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    /// Its id.
    pub id: ArtifactId,
    /// Its tenant.
    pub tenant: &'a TenantId,
    /// Its kind.
    pub artifact_type: &'a str,
    /// Its state before what is asked.
    pub state: ArtifactState,
    /// The session of the execution that produced it.
    pub session_id: SessionId,
    /// The type of the intent that produced it.
    pub intent_type: &'a str,
    /// The user of the execution that produced it.
    pub user: Option<&'a str>,
    /// Who it belongs to, as its handler says.
    pub owner: Option<&'a str>,
    /// Its name for people.
    pub display_name: Option<&'a str>,
}

impl<'a> From<&'a Artifact> for Described<'a> {
    fn from(artifact: &'a Artifact) -> Self {
        Self {
            id: artifact.id,
            tenant: &artifact.tenant_id,
            artifact_type: &artifact.artifact_type,
            state: artifact.state,
            session_id: artifact.session_id,
            intent_type: &artifact.intent_type,
            user: artifact.user_id.as_deref(),
            owner: artifact.owner.as_deref(),
            display_name: artifact.display_name.as_deref(),
        }
    }
}

impl<'a> Described<'a> {
    /// An artifact that an execution is to register.
    #[must_use]
    pub fn of_new(artifact: &'a NewArtifact, execution: &'a Execution) -> Self {
        Self {
            id: artifact.id,
            tenant: &execution.intent.tenant_id,
            artifact_type: &artifact.artifact_type,
            state: artifact.state,
            session_id: execution.intent.session_id,
            intent_type: &execution.intent.intent_type,
            user: execution.user_id.as_deref(),
            owner: artifact.owner.as_deref(),
            display_name: artifact.display_name.as_deref(),
        }
    }
}

/// An artifact that something is asked about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The artifact.
    pub artifact: Described<'a>,
    /// The size of the content that it is about; none where it is to be looked up: all forms together.
    pub size_bytes: Option<i64>,
}

/// What is asked, besides who asks.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// [`Action::Submit`].
    Submit(Submit<'a>),
    /// [`Action::Materialize`], and how far it goes.
    Materialize(About<'a>, Phase),
    /// [`Action::Transition`], to this state.
    Transition(About<'a>, ArtifactState),
    /// [`Action::ReadContent`], in this form, such as `csv`.
    ReadContent(About<'a>, &'a str),
}

/// A question to the policies.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What is asked.
    pub asked: Asked<'a>,
    /// The execution for which it is done; none where a client asks by itself.
    pub during: Option<During<'a>>,
}

impl<'a> Question<'a> {
    /// The action.
    #[must_use]
    pub fn action(&self) -> Action {
        match self.asked {
            Asked::Submit(_) => Action::Submit,
            Asked::Materialize(..) => Action::Materialize,
            Asked::Transition(..) => Action::Transition,
            Asked::ReadContent(..) => Action::ReadContent,
        }
    }

    /// The artifact that it is about.
    pub(super) fn about(&self) -> Option<&About<'a>> {
        match &self.asked {
            Asked::Submit(_) => None,
            Asked::Materialize(about, _)
            | Asked::Transition(about, _)
            | Asked::ReadContent(about, _) => Some(about),
        }
    }

    /// What it is about, as a policy names it.
    pub(super) fn resource(&self) -> String {
        match &self.asked {
            Asked::Submit(submit) => format!("IntentType::{:?}", submit.intent_type),
            Asked::Materialize(about, _)
            | Asked::Transition(about, _)
            | Asked::ReadContent(about, _) => format!("Artifact::\"{}\"", about.artifact.id),
        }
    }

    /// The session in which it is done; none where a client asks for something with an artifact.
    pub(super) fn session(&self) -> Option<SessionId> {
        match &self.asked {
            Asked::Submit(submit) => Some(submit.session_id),
            _ => self.during.map(|during| during.session_id),
        }
    }

    /// The session in whose stream of the log the decision is told: the intent's, or the artifact's.
    pub(super) fn told_in(&self) -> SessionId {
        match &self.asked {
            Asked::Submit(submit) => submit.session_id,
            Asked::Materialize(about, _)
            | Asked::Transition(about, _)
            | Asked::ReadContent(about, _) => about.artifact.session_id,
        }
    }

    /// Each session that policies may look at.
    pub(super) fn sessions(&self) -> Vec<SessionId> {
        let mut all = vec![self.told_in()];
        all.extend(self.session().filter(|id| *id != self.told_in()));
        all
    }
}
