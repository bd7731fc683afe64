//! The permissions of a principal. A [`Scope`] is one permission by its name, as keys, tokens and
//! roles carry it; [`Grants`] are all that a principal has. A name without a suffix concerns
//! whatever the tenant has; with `:own` it concerns what is the principal's own ([`Reach`]).
//!
//! Invariant: [`Grants::covers`] holds for exactly those whose every permission is there, so that nobody
//! can hand on what they lack.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Reach, Refusal, is_name};

/// Longest name of an intent type in a scope.
const MAX_TYPE_CHARS: usize = 200;

/// Most intent types that one set of grants names.
const MAX_TYPES: usize = 100;

/// A kind of permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Submit intents, of any type unless the scope names one.
    SubmitIntents,
    /// Read executions, their events and intents.
    ReadExecutions,
    /// Cancel executions and run them again.
    ControlExecutions,
    /// Read sessions and their state.
    ReadSessions,
    /// Create, change, upgrade and close sessions.
    WriteSessions,
    /// Read artifacts, their content and lineage.
    ReadArtifacts,
    /// Upload content, and change or delete artifacts.
    WriteArtifacts,
    /// Read the log of the tenant.
    ReadLog,
    /// Create, list and revoke keys.
    ManageKeys,
    /// Look after the installation, whatever the tenant.
    OperateRuntime,
}

impl Action {
    /// Each of them.
    pub const ALL: &'static [Self] = &[
        Self::SubmitIntents,
        Self::ReadExecutions,
        Self::ControlExecutions,
        Self::ReadSessions,
        Self::WriteSessions,
        Self::ReadArtifacts,
        Self::WriteArtifacts,
        Self::ReadLog,
        Self::ManageKeys,
        Self::OperateRuntime,
    ];

    /// Its name in a scope.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SubmitIntents => "intents:submit",
            Self::ReadExecutions => "executions:read",
            Self::ControlExecutions => "executions:control",
            Self::ReadSessions => "sessions:read",
            Self::WriteSessions => "sessions:write",
            Self::ReadArtifacts => "artifacts:read",
            Self::WriteArtifacts => "artifacts:write",
            Self::ReadLog => "log:read",
            Self::ManageKeys => "keys:manage",
            Self::OperateRuntime => "runtime:operate",
        }
    }

    /// Returns whether it can be permitted on what is one's own alone.
    fn has_own_form(self) -> bool {
        matches!(
            self,
            Self::ReadExecutions
                | Self::ControlExecutions
                | Self::ReadSessions
                | Self::WriteSessions
                | Self::ReadArtifacts
                | Self::WriteArtifacts
        )
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One permission, such as `executions:read`, `executions:read:own` or `intents:submit:parse_content`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The action, on whatever there is.
    Any(Action),
    /// The action, on what is one's own.
    Own(Action),
    /// Submit intents of this type.
    Submit(Arc<str>),
}

/// The text names no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope is one of intents:submit, intents:submit:TYPE, executions:read, executions:control, sessions:read, \
     sessions:write, artifacts:read, artifacts:write, log:read, keys:manage, runtime:operate; those of executions, \
     sessions and artifacts may end with :own or :all"
)]
pub struct ScopeError;

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let named = |name: &str| Action::ALL.iter().copied().find(|it| it.name() == name);
        if let Some(action) = named(text) {
            return Ok(Self::Any(action));
        }
        for (suffix, form) in [
            (":own", Self::Own as fn(Action) -> Self),
            (":all", Self::Any),
        ] {
            let action = text.strip_suffix(suffix).and_then(named);
            if let Some(action) = action.filter(|action| action.has_own_form()) {
                return Ok(form(action));
            }
        }
        let intent_type = text.strip_prefix("intents:submit:").ok_or(ScopeError)?;
        // White space and commas stand between scopes, and a colon before what qualifies one.
        let separates = |c: char| c.is_whitespace() || matches!(c, ':' | ',');
        if !is_name(intent_type, MAX_TYPE_CHARS) || intent_type.contains(separates) {
            return Err(ScopeError);
        }
        Ok(Self::Submit(intent_type.into()))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any(action) => f.write_str(action.name()),
            Self::Own(action) => write!(f, "{action}:own"),
            Self::Submit(intent_type) => write!(f, "{}:{intent_type}", Action::SubmitIntents),
        }
    }
}

/// All that a principal may do. Clones share the names of intent types.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// A bit for each action that is permitted on whatever there is.
    actions: u16,
    /// A bit for each further action that is permitted on what is one's own.
    own: u16,
    /// The intent types that may be submitted besides, in order; empty where any may be.
    submits: Option<Arc<[Arc<str>]>>,
}

/// A set of grants names too many intent types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {MAX_TYPES} intent types can be named")]
pub struct GrantsError;

impl Grants {
    /// Every permission.
    #[must_use]
    pub fn all() -> Self {
        let actions = Action::ALL.iter().map(|action| action.bit());
        Self {
            actions: actions.fold(0, |all, one| all | one),
            own: 0,
            submits: None,
        }
    }

    /// No permission.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// These permissions.
    ///
    /// # Errors
    /// When they name more than a hundred intent types.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Result<Self, GrantsError> {
        let (mut actions, mut own) = (0, 0);
        let mut submits = std::collections::BTreeSet::new();
        for scope in scopes {
            match scope {
                Scope::Any(action) => actions |= action.bit(),
                Scope::Own(action) => own |= action.bit(),
                Scope::Submit(intent_type) => {
                    submits.insert(intent_type);
                    if submits.len() > MAX_TYPES {
                        return Err(GrantsError);
                    }
                }
            }
        }
        let permits_any = actions & Action::SubmitIntents.bit() != 0;
        let is_named = !permits_any && !submits.is_empty();
        Ok(Self {
            actions,
            own: own & !actions,
            submits: is_named.then(|| submits.into_iter().collect()),
        })
    }

    /// Returns whether the action is permitted on whatever there is.
    #[must_use]
    pub fn permits(&self, action: Action) -> bool {
        self.actions & action.bit() != 0
    }

    /// Returns whether the action is permitted on what is one's own, at least.
    #[must_use]
    pub fn permits_own(&self, action: Action) -> bool {
        (self.actions | self.own) & action.bit() != 0
    }

    /// Returns whether there is an action that ends at what is one's own.
    #[must_use]
    pub fn are_limited_to_own(&self) -> bool {
        self.own != 0
    }

    /// Refuses an action that is not permitted on whatever there is.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn check_all(&self, action: Action) -> Result<(), Refusal> {
        if self.permits(action) {
            return Ok(());
        }
        Err(Refusal::lacking(action))
    }

    /// Returns how far an action is permitted to whom `own` is their own.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when it is not permitted at all.
    pub fn check(&self, action: Action, own: &Reach) -> Result<Reach, Refusal> {
        if self.own & action.bit() != 0 {
            return Ok(own.clone());
        }
        self.check_all(action).map(|()| Reach::Tenant)
    }

    /// The same permissions, but for what is one's own alone. What has no such form is left out.
    #[must_use]
    pub fn limited_to_own(&self) -> Self {
        let limits = Action::ALL.iter().filter(|action| action.has_own_form());
        let can_be_limited = limits.fold(0, |all, action| all | action.bit());
        Self {
            actions: self.actions & Action::SubmitIntents.bit(),
            own: (self.actions | self.own) & can_be_limited,
            submits: self.submits.clone(),
        }
    }

    /// Returns whether intents of this type may be submitted.
    #[must_use]
    pub fn permits_submit(&self, intent_type: &str) -> bool {
        let named = || self.submits.iter().flat_map(|submits| submits.iter());
        self.permits(Action::SubmitIntents) || named().any(|one| **one == *intent_type)
    }

    /// Returns whether intents of any type may be submitted.
    #[must_use]
    pub fn permits_some_submit(&self) -> bool {
        self.permits(Action::SubmitIntents) || self.submits.is_some()
    }

    /// Returns whether this permission is among them, by itself or within a wider one.
    #[must_use]
    pub fn contains(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Any(action) => self.permits(*action),
            Scope::Own(action) => self.permits_own(*action),
            Scope::Submit(intent_type) => self.permits_submit(intent_type),
        }
    }

    /// Returns whether every permission of `others` is among them.
    #[must_use]
    pub fn covers(&self, others: &Self) -> bool {
        others.scopes().all(|scope| self.contains(&scope))
    }

    /// Each permission, in a fixed order.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> + '_ {
        let actions = Action::ALL.iter().copied();
        let permitted = actions.filter(|action| self.permits(*action));
        let named = self.submits.iter().flat_map(|submits| submits.iter());
        let named = named.map(|intent_type| Scope::Submit(Arc::clone(intent_type)));
        let own = Action::ALL.iter().copied();
        let own = own.filter(|action| self.own & action.bit() != 0);
        permitted
            .map(Scope::Any)
            .chain(own.map(Scope::Own))
            .chain(named)
    }
}

/// The scopes with spaces between them, as [`FromStr`] reads them.
impl fmt::Display for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, scope) in self.scopes().enumerate() {
            let space = if at == 0 { "" } else { " " };
            write!(f, "{space}{scope}")?;
        }
        Ok(())
    }
}

/// Why a text is no set of grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrantsTextError {
    /// One of the scopes is unknown.
    #[error(transparent)]
    Scope(#[from] ScopeError),
    /// There are too many of them.
    #[error(transparent)]
    Grants(#[from] GrantsError),
}

impl FromStr for Grants {
    type Err = GrantsTextError;

    fn from_str(text: &str) -> Result<Self, GrantsTextError> {
        let scopes = text.split_whitespace().map(str::parse);
        let scopes: Vec<Scope> = scopes.collect::<Result<_, _>>()?;
        Ok(Self::of(scopes)?)
    }
}

impl Serialize for Grants {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Grants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(text: &str) -> Grants {
        text.parse().unwrap()
    }

    #[test]
    fn each_action_is_read_from_its_name() {
        for action in Action::ALL {
            assert_eq!(action.name().parse(), Ok(Scope::Any(*action)), "{action}");
        }
        let scope: Scope = "intents:submit:parse_content".parse().unwrap();
        assert_eq!(scope, Scope::Submit("parse_content".into()));
        assert_eq!(scope.to_string(), "intents:submit:parse_content");
    }

    #[test]
    fn what_names_no_scope_is_refused() {
        let long = format!("intents:submit:{}", "x".repeat(201));
        for bad in [
            "",
            "*",
            "executions",
            "executions:",
            "Executions:read",
            "executions:read:mine",
            "executions:read:own:own",
            "log:read:own",
            "intents:submit:own:own",
            "intents:submit:",
            "intents:submit:a:own",
            "intents:submit:a,b",
            "intents:submit:a\u{0}",
            long.as_str(),
        ] {
            assert_eq!(bad.parse::<Scope>(), Err(ScopeError), "{bad}");
        }
        assert!("executions:read bad".parse::<Grants>().is_err());
    }

    #[test]
    fn grants_are_read_from_what_they_are_written_as() {
        let text = "executions:read log:read intents:submit:a intents:submit:b";
        assert_eq!(grants(text).to_string(), text);
        assert_eq!(grants("").to_string(), "");
        assert_eq!(grants(""), Grants::none());
        assert_eq!(grants(&Grants::all().to_string()), Grants::all());
    }

    #[test]
    fn the_order_and_repetitions_make_no_difference() {
        let one = grants("intents:submit:b intents:submit:a log:read");
        let other = grants("log:read intents:submit:a  intents:submit:b log:read");
        assert_eq!(one, other);
    }

    #[test]
    fn a_permission_is_there_by_itself_or_within_a_wider_one() {
        let some = grants("intents:submit:echo executions:read");
        assert!(some.permits_submit("echo") && !some.permits_submit("add"));
        assert!(!some.permits(Action::SubmitIntents), "of any type");
        assert!(some.permits(Action::ReadExecutions) && !some.permits(Action::ReadLog));
        let any = grants("intents:submit intents:submit:echo");
        assert!(any.permits_submit("add"));
        assert_eq!(any, grants("intents:submit"), "the wider one says it all");
    }

    #[test]
    fn a_refusal_names_the_scope_that_is_lacking() {
        let some = grants("executions:read");
        assert_eq!(some.check_all(Action::ReadExecutions), Ok(()));
        let refused = some.check_all(Action::ControlExecutions).unwrap_err();
        assert!(refused.to_string().contains("executions:control"));
    }

    #[test]
    fn what_is_permitted_on_ones_own_reaches_no_further() {
        let own = Reach::User("ann".into());
        let some = grants("executions:read:own sessions:read sessions:read:own artifacts:read:all");
        let text = "sessions:read artifacts:read executions:read:own";
        assert_eq!(some.to_string(), text, "the wider form says it all");
        let reach = |action| some.check(action, &own);
        assert_eq!(reach(Action::ReadExecutions), Ok(own.clone()));
        assert_eq!(reach(Action::ReadSessions), Ok(Reach::Tenant));
        assert!(reach(Action::ControlExecutions).is_err());
        assert!(some.check_all(Action::ReadExecutions).is_err());
        let wide = grants("executions:read");
        assert!(wide.covers(&grants("executions:read:own")));
        assert!(!grants("executions:read:own").covers(&wide));
        let limited = Grants::all().limited_to_own();
        let actions = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let expected = "intents:submit executions:read:own executions:control:own sessions:read:own \
             sessions:write:own artifacts:read:own artifacts:write:own";
        assert_eq!(actions(&limited.to_string()), actions(expected));
    }

    #[test]
    fn grants_cover_no_more_than_they_hold() {
        let all = Grants::all();
        assert!(all.covers(&all) && all.covers(&Grants::none()));
        assert!(!Grants::none().covers(&grants("log:read")));
        let typed = grants("intents:submit:echo");
        assert!(grants("intents:submit").covers(&typed));
        assert!(!typed.covers(&grants("intents:submit")));
        assert!(!typed.covers(&grants("intents:submit:add")));
        for action in Action::ALL {
            let rest = all.scopes().filter(|scope| *scope != Scope::Any(*action));
            let rest = Grants::of(rest).unwrap();
            assert!(!rest.permits(*action) && !rest.covers(&all), "{action}");
        }
    }

    #[test]
    fn the_intent_types_that_are_named_are_bounded() {
        let many = (0..=MAX_TYPES).map(|n| Scope::Submit(n.to_string().into()));
        assert_eq!(Grants::of(many), Err(GrantsError));
    }
}
