//! Policies at the boundary of the runtime, written in Cedar: whether an intent is accepted, content materialised, an
//! artifact's state changed, content read. They are asked by services, after the scopes of the caller were checked, and
//! can only restrict what scopes permit.
//!
//! Invariant: what is denied, and what cannot be decided, is refused; and a denial is in the log before it is answered.

mod fault;
mod folder;
mod pose;
mod question;
mod schema;
mod set;
mod vocabulary;

#[cfg(test)]
mod tests;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

pub use fault::{Fault, Faults};
pub use question::{About, Action, Asked, Described, During, Phase, Question, Submit};
pub use schema::schema;

use crate::{
    model::{ArtifactState, EventBody, Principal, Refusal, TenantId, price},
    storage::{Error, RecordDecision, Storage},
};
use folder::PolicyFile;
use pose::LookedUp;
use set::{Decision, Known, Language, Sets};

/// The policies of a server for which no folder is configured.
pub const DEFAULT: &str = include_str!("default.cedar");

/// The period at which the folder is read.
const READ_EVERY: Duration = Duration::from_secs(2);

/// The policies. Clones are the same.
#[derive(Debug, Clone)]
pub struct Policies(Arc<Inner>);

struct Inner {
    storage: Storage,
    language: Language,
    folder: Option<PathBuf>,
    /// True to put every decision into the log, and not denials alone.
    log_decisions: bool,
    current: RwLock<Arc<Sets>>,
    /// The digest of the files that were read last.
    seen: std::sync::Mutex<[u8; 32]>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies")
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

/// The number of policies of a folder, and what is odd about them.
#[derive(Debug)]
pub struct Checked {
    /// Policies for all tenants.
    pub shared: usize,
    /// Tenants that have policies of their own.
    pub tenants: usize,
    /// What is no fault and may be a mistake.
    pub warnings: Vec<Fault>,
}

/// Checks the policies of a folder.
///
/// # Errors
/// With every fault that was found.
pub fn check_folder(folder: &Path) -> Result<Checked, Faults> {
    let sets = Sets::of(&folder::read(folder)?, &Language::new()?)?;
    let (shared, tenants) = sets.counts();
    Ok(Checked {
        shared,
        tenants,
        warnings: sets.warnings,
    })
}

fn default_files() -> Vec<PolicyFile> {
    vec![PolicyFile {
        tenant: None,
        name: "default.cedar".to_owned(),
        text: DEFAULT.to_owned(),
    }]
}

impl Policies {
    /// The policies of a folder, or the default ones.
    ///
    /// # Errors
    /// When they do not fit the schema, or the folder cannot be read.
    pub fn open(
        storage: Storage,
        folder: Option<&Path>,
        log_decisions: bool,
    ) -> Result<Self, Faults> {
        let read = folder.map_or_else(|| Ok(default_files()), folder::read);
        let (seen, language) = (folder::digest(&read), Language::new()?);
        let sets = Sets::of(&read?, &language)?;
        for warning in &sets.warnings {
            tracing::warn!("a policy may be a mistake: {warning}");
        }
        Ok(Self(Arc::new(Inner {
            storage,
            language,
            folder: folder.map(Path::to_owned),
            log_decisions,
            current: RwLock::new(Arc::new(sets)),
            seen: std::sync::Mutex::new(seen),
        })))
    }

    /// Reads the folder again and again until `stop`.
    pub async fn renew_until(self, stop: CancellationToken) {
        let Some(folder) = self.0.folder.clone() else {
            return;
        };
        let renewing = async {
            loop {
                tokio::time::sleep(READ_EVERY).await;
                let (this, folder) = (self.clone(), folder.clone());
                let reading =
                    tokio::task::spawn_blocking(move || this.renew(folder::read(&folder)));
                if let Err(error) = reading.await {
                    tracing::error!(%error, "policy.folder could not be read");
                }
            }
        };
        stop.run_until_cancelled(renewing).await;
    }

    /// Takes what was read, if it has changed and fits the schema.
    fn renew(&self, read: Result<Vec<PolicyFile>, Faults>) {
        let digest = folder::digest(&read);
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::replace(&mut *seen, digest) == digest {
            return;
        }
        match read.and_then(|files| Sets::of(&files, &self.0.language)) {
            Ok(sets) => {
                let (shared, tenants) = sets.counts();
                let mut current = self.0.current.write();
                let current = current.as_deref_mut();
                *current.unwrap_or_else(|poisoned| poisoned.get_mut()) = Arc::new(sets);
                tracing::info!(shared, tenants, "policy.folder was read again");
            }
            Err(faults) => tracing::error!(
                "policy.folder is refused, and the policies of before decide on: {faults}"
            ),
        }
    }

    fn current(&self) -> Arc<Sets> {
        let current = self.0.current.read();
        Arc::clone(&current.unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns whether anything must be decided; if not, the action is permitted, and questions need not be made.
    #[must_use]
    pub fn decides(&self, tenant: &TenantId, action: Action) -> bool {
        self.0.log_decisions || !self.current().of_tenant(tenant).known(action).is_open
    }

    /// Asks whether a principal may do something.
    ///
    /// # Errors
    /// [`Refusal::PolicyDenied`]; when the database does not answer.
    pub async fn check(&self, principal: &Principal, question: &Question<'_>) -> Result<(), Error> {
        let inner = &self.0;
        let sets = self.current();
        let set = sets.of_tenant(principal.tenant());
        let known = set.known(question.action());
        if known.is_open && !inner.log_decisions {
            return Ok(());
        }
        let looked_up = self.look_up(principal, question, known).await?;
        let posed = inner.language.names.pose(principal, question, &looked_up);
        let decision = match posed {
            Ok(posed) => set.decide(&posed),
            Err(error) => Decision::failed(&error),
        };
        if !decision.is_allowed || inner.log_decisions {
            self.tell(principal, question, &decision).await?;
        }
        if decision.is_allowed {
            return Ok(());
        }
        Err(Refusal::PolicyDenied {
            action: question.action().name(),
            policy_id: decision.policies.into_iter().next(),
        }
        .into())
    }

    /// Puts a decision into the log.
    async fn tell(
        &self,
        principal: &Principal,
        question: &Question<'_>,
        decision: &Decision,
    ) -> Result<(), Error> {
        let action = question.action().name().to_owned();
        let resource = question.resource();
        let policies = decision.policies.clone();
        let execution_id = question.during.map(|during| during.execution_id);
        let body = if decision.is_allowed {
            EventBody::PolicyAllowed {
                action,
                resource,
                policies,
                execution_id,
            }
        } else {
            let errors = &decision.errors;
            tracing::info!(tenant_id = %principal.tenant(), action, resource, ?policies, ?errors, "denied by policy");
            EventBody::PolicyDenied {
                action,
                resource,
                policies,
                errors: errors.clone(),
                execution_id,
            }
        };
        let scope = principal.scope();
        if let Some(meter) = scope.meter() {
            // A query may ask about very many artifacts.
            meter.charge(price::CHANGE);
        }
        let record = RecordDecision {
            scope,
            actor: Arc::clone(principal.actor()),
            session_id: question.told_in(),
            body,
        };
        self.0.storage.record_decision(record).await
    }

    /// Looks up what the policies for a question may look at.
    async fn look_up(
        &self,
        principal: &Principal,
        question: &Question<'_>,
        known: Known,
    ) -> Result<LookedUp, Error> {
        let (storage, scope) = (&self.0.storage, principal.scope());
        let mut looked_up = LookedUp::default();
        if known.looks_at_sessions {
            let ids = question.sessions();
            looked_up.sessions = storage.find_sessions(&scope, &ids).await?;
        }
        if let Some(about) = question.about() {
            looked_up.size_bytes = match about.size_bytes {
                Some(size_bytes) => size_bytes,
                None if known.looks_at_sizes => {
                    let id = about.artifact.id;
                    let mut forms = storage.find_materializations(&scope, &[id]).await?;
                    let forms = forms.remove(&id).unwrap_or_default();
                    sum(forms.iter().map(|form| form.size_bytes))
                }
                None => 0,
            };
        }
        Ok(looked_up)
    }

    /// Asks whether a principal may change the state of an artifact, and, where that makes it a record of fact, whether
    /// its content may be saved. A step that the lifecycle does not have is not asked about: it is refused anyway.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn check_change(
        &self,
        principal: &Principal,
        about: About<'_>,
        to: ArtifactState,
        during: Option<During<'_>>,
    ) -> Result<(), Error> {
        let from = about.artifact.state;
        if !from.can_become(to) {
            return Ok(());
        }
        let asked = Asked::Transition(about, to);
        self.check(principal, &Question { asked, during }).await?;
        if (from, to) == (ArtifactState::Pending, ArtifactState::Ready) {
            let asked = Asked::Materialize(about, Phase::Save);
            self.check(principal, &Question { asked, during }).await?;
        }
        Ok(())
    }

    /// Returns whether anything must be decided about a change to this state.
    #[must_use]
    pub fn decides_change(&self, tenant: &TenantId, to: ArtifactState) -> bool {
        let may_save = to == ArtifactState::Ready && self.decides(tenant, Action::Materialize);
        may_save || self.decides(tenant, Action::Transition)
    }
}

/// The size of several contents together.
#[must_use]
pub fn sum(sizes: impl Iterator<Item = i64>) -> i64 {
    sizes.fold(0, i64::saturating_add)
}
