//! Any order of what can happen, beside a model that adds up.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    /// The second agent of a chain or none, amounts, limits.
    Reserve(Option<u8>, u64, u64, [Option<u64>; 2]),
    /// One of those that were made, settled or not.
    Settle(usize, Option<(u64, u64)>),
    Wait(u64),
    Purge,
}

fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![20 => 0..40u64, 1 => Just(i64::MAX as u64), 1 => any::<u64>()]
}

fn act() -> impl Strategy<Value = Act> {
    let limit = || option::of(prop_oneof![20 => 0..200u64, 1 => any::<u64>()]);
    let limits = [limit(), limit()];
    prop_oneof![
        4 => (option::of(0..3u8), amount(), amount(), limits)
            .prop_map(|(agent, tokens, money, limits)| Act::Reserve(agent, tokens, money, limits)),
        4 => (any::<usize>(), option::of((amount(), amount()))).prop_map(|(which, used)| Act::Settle(which, used)),
        2 => prop_oneof![0..90u64, 3_000..4_000u64].prop_map(Act::Wait),
        1 => Just(Act::Purge),
    ]
}

/// Spent and reserved, of tokens and of money.
type Sums = [[u128; 2]; 2];
/// The accounts of a reservation, and its amounts.
type Made = (Vec<Account>, [u64; 2]);

#[derive(Default)]
struct Model {
    accounts: BTreeMap<String, (Account, Sums)>,
    made: Vec<Option<Made>>,
}

const CAP: u128 = i64::MAX as u128;

impl Model {
    fn sums(&mut self, account: &Account) -> &mut Sums {
        let key = format!("{} {} {}", account.budget, account.holder, account.from);
        &mut self.accounts.entry(key).or_insert_with(|| (account.clone(), Sums::default())).1
    }

    fn reserve(&mut self, found: &[Account], most: [u64; 2]) -> bool {
        let fits = found.iter().all(|account| {
            let sums = *self.sums(account);
            [account.tokens, account.money].into_iter().zip(sums).zip(most).all(|((limit, [spent, reserved]), most)| {
                let all = reserved + u128::from(most);
                all <= CAP && limit.is_none_or(|limit| spent + all <= u128::from(limit).min(CAP))
            })
        });
        if fits {
            for account in found {
                self.sums(account).iter_mut().zip(most).for_each(|(sum, most)| sum[1] += u128::from(most));
            }
        }
        self.made.push(fits.then(|| (found.to_vec(), most)));
        fits
    }

    fn settle(&mut self, which: usize, used: Option<[u64; 2]>) -> bool {
        let Some((found, most)) = self.made[which].take() else { return false };
        for account in &found {
            for ((sum, most), used) in self.sums(account).iter_mut().zip(most).zip(used.unwrap_or(most)) {
                *sum = [(sum[0] + u128::from(used)).min(CAP), sum[1] - u128::from(most)];
            }
        }
        true
    }

    fn purge(&mut self, now: u64) {
        let open: Vec<&Account> = self.made.iter().flatten().flat_map(|(accounts, _)| accounts).collect();
        let is_open = |one: &Account| {
            open.iter().any(|other| (&other.budget, &other.holder, other.from) == (&one.budget, &one.holder, one.from))
        };
        self.accounts
            .retain(|_, (account, _)| account.until.is_none_or(|until| until + 3_600 >= now) || is_open(account));
    }
}

proptest! {
    #[test]
    fn accounts_hold_what_was_spent_and_reserved(acts in vec(act(), 1..60)) {
        let (db, mut model, mut now) = (memory(), Model::default(), NOW + 3_500);
        for act in acts {
            match act {
                Act::Wait(seconds) => now += seconds,
                Act::Purge => {
                    change(&db, || purge(&db, now, KEEP)).unwrap();
                    model.purge(now);
                }
                Act::Reserve(agent, tokens, money, limits) => {
                    let budgets = [
                        budget("minute", Per::Agent, Period::Minute, limits[0], None),
                        budget("hour", Per::Chain, Period::Hour, limits[0], limits[1]),
                        budget("all", Per::All, Period::Total, None, limits[1]),
                    ];
                    let second = agent.map(|agent| format!("did:key:{agent}"));
                    let chain: Vec<&str> = std::iter::once("did:key:0").chain(second.as_deref()).collect();
                    let found = accounts(&budgets, &holders(&chain), now);
                    let id = model.made.len().to_string();
                    let is_made = ask(&db, &id, &found, charge(tokens, money), now).is_ok();
                    prop_assert_eq!(is_made, model.reserve(&found, [tokens, money]));
                }
                Act::Settle(which, used) if !model.made.is_empty() => {
                    let which = which % model.made.len();
                    let is_settled = end(&db, &which.to_string(), used.map(|(tokens, money)| charge(tokens, money)));
                    prop_assert_eq!(is_settled, model.settle(which, used.map(|(tokens, money)| [tokens, money])));
                }
                Act::Settle(..) => {}
            }
            for (account, [tokens, money]) in model.accounts.values() {
                let [tokens_spent, tokens_reserved, money_spent, money_reserved, _] = held(&db, account);
                let found = [[tokens_spent, tokens_reserved], [money_spent, money_reserved]];
                prop_assert_eq!(found.map(|sums| sums.map(|sum| u128::try_from(sum).unwrap())), [*tokens, *money]);
            }
            let waiting = model.made.iter().flatten().count();
            prop_assert_eq!(count(&db, "reservations"), i64::try_from(waiting).unwrap());
        }
    }
}
