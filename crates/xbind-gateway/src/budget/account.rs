//! Which accounts a request concerns: one of each budget and each holder, in the period of now, and one of each delegation that
//! says what may be spent under it.

use serde::Deserialize;

use super::period::Period;

/// What refusals call the quota that a delegation carries.
const DELEGATION: &str = "delegation";

/// Who has an account of its own under a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Per {
    /// Each agent. Whoever hands on rights also pays for what is done with them.
    Agent,
    /// Each person, or else each first holder.
    Root,
    /// Each chain of delegations.
    Chain,
    /// All together.
    All,
}

/// What the operator allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) name: String,
    pub(crate) per: Per,
    pub(crate) period: Period,
    /// The most tokens in each period.
    pub(crate) tokens: Option<u64>,
    /// The most money in each period, in nano units.
    pub(crate) money: Option<u64>,
}

/// Who pays for a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holders {
    /// Every DID of the chain.
    pub(crate) agents: Vec<String>,
    /// The person, or else the first holder.
    pub(crate) root: String,
    pub(crate) chain: String,
    pub(crate) quotas: Vec<Quota>,
}

/// What may be spent under one delegation, as long as it lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Quota {
    /// The DID that issued it, which has no space.
    pub(crate) issuer: String,
    /// What the issuer calls it.
    pub(crate) jti: String,
    /// When it expires, in seconds.
    pub(crate) until: u64,
    pub(crate) tokens: Option<u64>,
    pub(crate) money: Option<u64>,
}

/// What one holder may spend in one period. It is known by all but its limits and its end: a name that a stranger chose is in no
/// account of a budget, and limits are those of now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) budget: String,
    /// None: the quota of a delegation.
    pub(crate) per: Option<Per>,
    pub(crate) period: Period,
    pub(crate) holder: String,
    /// When the period begins, in seconds.
    pub(crate) from: u64,
    /// When it is over, or the delegation expires.
    pub(crate) until: Option<u64>,
    pub(crate) tokens: Option<u64>,
    pub(crate) money: Option<u64>,
}

impl Account {
    /// How tables name what kind of holder it has.
    pub(super) const fn kind(&self) -> i64 {
        match self.per {
            Some(Per::Agent) => 0,
            Some(Per::Root) => 1,
            Some(Per::Chain) => 2,
            Some(Per::All) => 3,
            None => 4,
        }
    }

    fn of_budget(budget: &Budget, holder: &str, now: u64) -> Self {
        let (from, until) = budget.period.around(now);
        Self {
            budget: budget.name.clone(),
            per: Some(budget.per),
            period: budget.period,
            holder: holder.to_owned(),
            from,
            until,
            tokens: budget.tokens,
            money: budget.money,
        }
    }

    fn of_quota(quota: &Quota) -> Self {
        Self {
            budget: DELEGATION.to_owned(),
            per: None,
            period: Period::Total,
            holder: format!("{} {}", quota.issuer, quota.jti),
            from: 0,
            until: Some(quota.until),
            tokens: quota.tokens,
            money: quota.money,
        }
    }
}

/// The accounts of a request at that time, in the order of the budgets, each once.
pub(crate) fn accounts(budgets: &[Budget], holders: &Holders, now: u64) -> Vec<Account> {
    let of_budgets = budgets.iter().flat_map(|budget| {
        let who: Vec<&str> = match budget.per {
            Per::Agent => holders.agents.iter().map(String::as_str).collect(),
            Per::Root => vec![&holders.root],
            Per::Chain => vec![&holders.chain],
            Per::All => vec![""],
        };
        who.into_iter().map(move |holder| Account::of_budget(budget, holder, now))
    });
    let mut all = Vec::new();
    for account in of_budgets.chain(holders.quotas.iter().map(Account::of_quota)) {
        if !all.contains(&account) {
            all.push(account);
        }
    }
    all
}
