//! The policies of a tenant: checked, and asked.

use std::collections::HashMap;

use cedar_policy::{
    ActionConstraint, AuthorizationError, Authorizer, Decision as Answer, Effect, Policy, PolicyId,
    PolicySet, PrincipalConstraint, ResourceConstraint, Schema, ValidationMode, Validator,
};

use super::{
    fault::{Fault, Faults},
    folder::PolicyFile,
    pose::Posed,
    question::Action,
    schema::schema,
    vocabulary::Names,
};
use crate::model::{TenantId, is_name};

/// The most policies that decide for one tenant, those for all tenants included.
const MAX_POLICIES: usize = 2_000;

/// The longest id of a policy.
const MAX_ID_CHARS: usize = 200;

/// The most policies that a decision names.
const MAX_NAMED: usize = 20;

/// The words of policies, and what checks them.
pub(super) struct Language {
    pub(super) names: Names,
    validator: Validator,
}

impl Language {
    pub(super) fn new() -> Result<Self, Faults> {
        let of_crate =
            |error: &dyn std::fmt::Display| Faults(vec![Fault::of("schema", error.to_string())]);
        let (schema, _) = Schema::from_cedarschema_str(&schema()).map_err(|it| of_crate(&it))?;
        Ok(Self {
            names: Names::new().map_err(|error| of_crate(&error))?,
            validator: Validator::new(schema),
        })
    }
}

/// The policies of all tenants.
#[derive(Debug)]
pub(super) struct Sets {
    shared: Set,
    /// Of tenants that have their own, together with those for all tenants.
    of_tenants: HashMap<TenantId, Set>,
    pub(super) warnings: Vec<Fault>,
}

impl Sets {
    /// Checks files of policies.
    pub(super) fn of(files: &[PolicyFile], language: &Language) -> Result<Self, Faults> {
        let mut checking = Checking {
            language,
            faults: Vec::new(),
            warnings: Vec::new(),
        };
        let mut shared = Vec::new();
        let mut own: HashMap<TenantId, Vec<Named>> = HashMap::new();
        for file in files {
            let policies = checking.policies(file);
            match &file.tenant {
                None => shared.extend(policies),
                Some(tenant) => own.entry(tenant.clone()).or_default().extend(policies),
            }
        }
        let of_tenants = own.into_iter().map(|(tenant, own)| {
            let all = shared.iter().chain(&own);
            (tenant, checking.set(all.collect()))
        });
        let of_tenants = of_tenants.collect();
        let shared = checking.set(shared.iter().collect());
        if !checking.faults.is_empty() {
            checking
                .faults
                .sort_by(|one, other| one.file.cmp(&other.file));
            checking.faults.dedup();
            return Err(Faults(checking.faults));
        }
        Ok(Self {
            shared,
            of_tenants,
            warnings: checking.warnings,
        })
    }

    /// The policies that decide for a tenant.
    pub(super) fn of_tenant(&self, tenant: &TenantId) -> &Set {
        self.of_tenants.get(tenant).unwrap_or(&self.shared)
    }

    /// The number of policies for all tenants, and the number of tenants that have some of their own.
    pub(super) fn counts(&self) -> (usize, usize) {
        (
            self.shared.policies.num_of_policies(),
            self.of_tenants.len(),
        )
    }
}

/// A policy under its final id, and the file that it is from.
struct Named {
    policy: Policy,
    file: String,
}

struct Checking<'a> {
    language: &'a Language,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
}

impl Checking<'_> {
    /// The policies of a file.
    fn policies(&mut self, file: &PolicyFile) -> Vec<Named> {
        let parsed: PolicySet = match file.text.parse() {
            Ok(parsed) => parsed,
            Err(errors) => {
                let errors: cedar_policy::ParseErrors = errors;
                let found = |error| Fault::found(&file.name, &file.text, error);
                self.faults.extend(errors.iter().map(|error| found(error)));
                return Vec::new();
            }
        };
        if parsed.templates().next().is_some() {
            let message =
                "templates (?principal, ?resource) are not for files: nothing fills them in";
            self.faults.push(Fault::of(&file.name, message));
        }
        let validator = &self.language.validator;
        let checked = validator.validate(&parsed, ValidationMode::Strict);
        let errors = checked.validation_errors();
        let errors = errors.map(|error| Fault::found(&file.name, &file.text, error));
        self.faults.extend(errors);
        let warnings = checked.validation_warnings();
        let warnings = warnings.map(|warning| Fault::found(&file.name, &file.text, warning));
        self.warnings.extend(warnings);
        parsed
            .policies()
            .map(|policy| self.named(file, policy))
            .collect()
    }

    /// A policy under the id of its annotation, or else under the name of its file and its place there.
    fn named(&mut self, file: &PolicyFile, policy: &Policy) -> Named {
        let id = match policy.annotation("id") {
            Some(id) if is_name(id, MAX_ID_CHARS) => id.to_owned(),
            Some(id) => {
                let message = format!(
                    "the id {id:?} is refused: it has 1 to {MAX_ID_CHARS} characters, none of them a control character"
                );
                self.faults.push(Fault::of(&file.name, message));
                id.to_owned()
            }
            None => {
                let parsed: &str = policy.id().as_ref();
                let place = parsed.strip_prefix("policy").and_then(|at| at.parse().ok());
                format!("{}#{}", file.name, place.unwrap_or(0_usize) + 1)
            }
        };
        Named {
            policy: policy.new_id(PolicyId::new(id)),
            file: file.name.clone(),
        }
    }

    fn set(&mut self, all: Vec<&Named>) -> Set {
        if all.len() > MAX_POLICIES {
            let file = all.last().map_or("", |last| &last.file);
            let message = format!("more than {MAX_POLICIES} policies would decide for one tenant");
            self.faults.push(Fault::of(file, message));
        }
        let mut policies = PolicySet::new();
        for named in all {
            let id = named.policy.id().clone();
            if policies.add(named.policy.clone()).is_err() {
                let message = format!("the policy {id} is there twice: ids must differ");
                self.faults.push(Fault::of(&named.file, message));
            }
        }
        Set::new(policies, &self.language.names)
    }
}

/// The policies that decide for a tenant.
#[derive(Debug)]
pub(super) struct Set {
    policies: PolicySet,
    /// What is known of each action without asking, by its number.
    known: [Known; Action::ALL.len()],
}

/// What is known of an action without asking.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    /// True if every policy for it permits it whatever the circumstances, and there is one.
    pub(super) is_open: bool,
    /// True if a policy for it may look at attributes of sessions. It gets at a session by an attribute `session`, or
    /// by writing its name.
    pub(super) looks_at_sessions: bool,
    /// True if a policy for it may look at sizes.
    pub(super) looks_at_sizes: bool,
}

/// A decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) is_allowed: bool,
    /// The policies that decided, at most [`MAX_NAMED`]; none where no policy permits.
    pub(super) policies: Vec<String>,
    /// What went wrong; with anything the answer is no.
    pub(super) errors: Vec<String>,
}

impl Decision {
    pub(super) fn failed(error: &dyn std::error::Error) -> Self {
        Self {
            is_allowed: false,
            policies: Vec::new(),
            errors: vec![error.to_string()],
        }
    }
}

impl Set {
    fn new(policies: PolicySet, names: &Names) -> Self {
        let known = Action::ALL.map(|action| Known::of(action, &policies, names));
        Self { policies, known }
    }

    pub(super) fn known(&self, action: Action) -> Known {
        self.known[action as usize]
    }

    /// Decides. A policy that cannot be evaluated denies, whatever the others say.
    pub(super) fn decide(&self, posed: &Posed) -> Decision {
        let answer =
            Authorizer::new().is_authorized(&posed.request, &self.policies, &posed.entities);
        let diagnostics = answer.diagnostics();
        let failed: Vec<&AuthorizationError> = diagnostics.errors().take(MAX_NAMED).collect();
        let mut policies: Vec<String> = if failed.is_empty() {
            diagnostics.reason().map(ToString::to_string).collect()
        } else {
            failed.iter().map(|error| policy_of(error)).collect()
        };
        policies.sort_unstable();
        policies.truncate(MAX_NAMED);
        Decision {
            is_allowed: failed.is_empty() && answer.decision() == Answer::Allow,
            policies,
            errors: failed.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The policy that could not be evaluated.
fn policy_of(error: &AuthorizationError) -> String {
    let AuthorizationError::PolicyEvaluationError(error) = error;
    error.policy_id().to_string()
}

impl Known {
    fn of(action: Action, policies: &PolicySet, names: &Names) -> Self {
        let uid = names.action(action);
        let concerns = |policy: &&Policy| match policy.action_constraint() {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(one) => one == uid,
            ActionConstraint::In(some) => some.contains(&uid),
        };
        let concerned: Vec<&Policy> = policies.policies().filter(concerns).collect();
        let any_says = |word: &str| concerned.iter().any(|policy| says(policy, word));
        Self {
            is_open: !concerned.is_empty() && concerned.iter().all(|policy| always_permits(policy)),
            looks_at_sessions: any_says("session"),
            looks_at_sizes: any_says("sizebytes"),
        }
    }
}

fn always_permits(policy: &Policy) -> bool {
    policy.effect() == Effect::Permit
        && !policy.has_non_scope_constraint()
        && policy.principal_constraint() == PrincipalConstraint::Any
        && policy.resource_constraint() == ResourceConstraint::Any
}

/// Returns whether a word, in lower case, is anywhere in a policy.
fn says(policy: &Policy, word: &str) -> bool {
    let json = policy.to_json();
    json.map_or(true, |json| json.to_string().to_lowercase().contains(word))
}
