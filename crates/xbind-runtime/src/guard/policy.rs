//! Who may call an agent, and with which rights.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use xbind::message::card;
use xbind::{Did, Judge, ScopeSet};

/// Who may call.
#[derive(Clone, Debug, Default)]
pub enum Allow {
    /// Everybody.
    #[default]
    Everyone,
    /// The agents of these DIDs.
    Only(Arc<HashSet<Did>>),
    /// Whoever the face says yes to, each time.
    Asked,
}

impl Allow {
    /// The agents of these DIDs.
    pub fn only(dids: impl IntoIterator<Item = Did>) -> Self {
        Self::Only(Arc::new(dids.into_iter().collect()))
    }

    /// Whether a call may go on; what is asked of the face is not decided here.
    pub(crate) fn includes(&self, did: &Did) -> bool {
        match self {
            Self::Everyone | Self::Asked => true,
            Self::Only(dids) => dids.contains(did),
        }
    }
}

/// Somebody signs each call, with its very arguments, before the handler begins.
#[derive(Clone, Debug)]
pub struct ApprovalPolicy {
    /// Whose approval counts. The first is asked when a call brings none along; without any, no call gets through.
    pub approvers: Vec<Did>,
    /// The face says which calls need one; else all do.
    pub asked: bool,
    /// How long the approver may take.
    pub timeout: Duration,
}

/// What a call has to satisfy; by default nothing.
#[derive(Clone, Default)]
pub struct Policy {
    /// Who may call.
    pub allow: Allow,
    /// Whose tokens count. With one, a call must present a token; without one, it can grant no scopes.
    pub judge: Option<Arc<Judge>>,
    /// What the token must grant, all of it.
    pub scopes: ScopeSet,
    /// Who has to approve.
    pub approval: Option<ApprovalPolicy>,
}

impl From<Allow> for Policy {
    fn from(allow: Allow) -> Self {
        Self { allow, ..Self::default() }
    }
}

impl Policy {
    /// Whether the caller's DID decides alone.
    pub(crate) fn is_plain(&self) -> bool {
        !matches!(self.allow, Allow::Asked) && !self.wants_token() && self.approval.is_none()
    }

    pub(crate) fn wants_token(&self) -> bool {
        self.judge.is_some() || !self.scopes.is_empty()
    }
}

/// What is said of one method; what is left out is as for calls that name none.
#[derive(Clone, Default)]
pub struct MethodPolicy {
    /// See [`Policy::allow`].
    pub allow: Option<Allow>,
    /// See [`Policy::judge`].
    pub judge: Option<Arc<Judge>>,
    /// See [`Policy::scopes`].
    pub scopes: Option<ScopeSet>,
    /// See [`Policy::approval`].
    pub approval: Option<ApprovalPolicy>,
}

impl From<MethodPolicy> for Policy {
    fn from(policy: MethodPolicy) -> Self {
        policy.over(Self::default())
    }
}

impl MethodPolicy {
    fn over(self, rest: Policy) -> Policy {
        Policy {
            allow: self.allow.unwrap_or(rest.allow),
            judge: self.judge.or(rest.judge),
            scopes: self.scopes.unwrap_or(rest.scopes),
            approval: self.approval.or(rest.approval),
        }
    }
}

/// The policies of an agent: of calls that name no method, and of each method.
#[derive(Clone, Default)]
pub struct Policies {
    unnamed: Option<Arc<Policy>>,
    methods: HashMap<Box<str>, Arc<Policy>>,
}

impl<P: Into<Policy>> From<P> for Policies {
    fn from(policy: P) -> Self {
        Self { unnamed: Some(Arc::new(policy.into())), methods: HashMap::new() }
    }
}

impl Policies {
    /// Adds a method. Naming one never opens it: what its policy leaves out is that of calls without a method.
    #[must_use]
    pub fn with_method(mut self, name: &str, policy: MethodPolicy) -> Self {
        let rest = self.unnamed.as_deref().cloned().unwrap_or_default();
        self.methods.insert(name.into(), Arc::new(policy.over(rest)));
        self
    }

    /// Adds a method with all of its policy: nothing is left to that of calls without a method.
    #[must_use]
    pub fn with_whole(mut self, name: &str, policy: Policy) -> Self {
        self.methods.insert(name.into(), Arc::new(policy));
        self
    }

    /// Whether anything is answered but the question what is.
    pub(crate) fn takes_calls(&self) -> bool {
        self.unnamed.is_some() || self.methods.keys().any(|name| **name != *card::DESCRIBE)
    }

    /// The policy of calls to that method, or of those without one; none where nobody handles them.
    pub(crate) fn of(&self, method: Option<&str>) -> Option<&Arc<Policy>> {
        method.and_then(|name| self.methods.get(name)).or(self.unnamed.as_ref())
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let judged = self.judge.is_some();
        f.debug_struct("Policy").field("allow", &self.allow).field("judged", &judged).finish_non_exhaustive()
    }
}

impl fmt::Debug for MethodPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MethodPolicy").field("allow", &self.allow).finish_non_exhaustive()
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies").field("unnamed", &self.unnamed).field("methods", &self.methods).finish()
    }
}
