//! What agents, people and models have used: one row for each hour, agent, person, model and API, however many requests there were.

use rusqlite::Connection;

use super::ledger::Charge;
use super::{read, stored};
use crate::api::Api;
use crate::problem::Result;

const HOUR: u64 = 3_600;
/// The first status that says that a request got no answer.
const REFUSED: u16 = 400;

/// A request that is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// When, in seconds.
    pub(crate) time: u64,
    pub(crate) agent: &'a str,
    pub(crate) root: &'a str,
    /// One that the operator has named.
    pub(crate) model: &'a str,
    pub(crate) api: Api,
    /// Of the answer; 400 or more counts as refused.
    pub(crate) status: u16,
    /// Tokens that the upstream told, 0 where it told none.
    pub(crate) input: u64,
    /// Those of `input` that it had before.
    pub(crate) cached: u64,
    pub(crate) output: u64,
}

/// By whom or what usage is told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Agents.
    Agent,
    /// People, or else first holders.
    Root,
    /// Models.
    Model,
}

/// How time is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// By the hour.
    Hour,
    /// By the day, in UTC.
    Day,
}

/// Which usage is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The hour of this second is the first one.
    pub since: u64,
    /// An hour that begins then or later is left out.
    pub until: u64,
    /// By whom or what.
    pub by: By,
    /// None: all of the time together.
    pub step: Option<Step>,
    /// The most rows.
    pub limit: u32,
}

/// What one of them has used. Sums that are larger than their type are the most that it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// The DID, the person or the model.
    pub name: String,
    /// When the hour or day begins, if time is divided.
    pub from: Option<u64>,
    /// Requests that are on record.
    pub requests: u64,
    /// Those of them that got an answer of 400 or more.
    pub refused: u64,
    /// Those of them that were charged all that was reserved, because no usage was told.
    pub whole: u64,
    /// Tokens of the input that were told.
    pub input: u64,
    /// Those of them that the server had before.
    pub cached: u64,
    /// Tokens of the output that were told.
    pub output: u64,
    /// Tokens that were charged.
    pub tokens: u64,
    /// Money that was charged, in billionths of the currency.
    pub money: u64,
}

/// Counts a request for which nothing was reserved.
pub(crate) fn note(db: &Connection, entry: &Entry<'_>) -> Result<()> {
    add(db, entry, Charge::default(), false)
}

pub(super) fn add(db: &Connection, entry: &Entry<'_>, charged: Charge, is_whole: bool) -> Result<()> {
    let hour = entry.time.saturating_sub(entry.time % HOUR);
    let is_refused = entry.status >= REFUSED;
    db.prepare_cached(
        "INSERT INTO usage(hour, agent, root, model, api, requests, refused, whole, input, cached, output, tokens, money)
        VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
        ON CONFLICT DO UPDATE SET requests = requests + 1, refused = refused + ?6, whole = whole + ?7,
            input = min(input, 9223372036854775807 - ?8) + ?8, cached = min(cached, 9223372036854775807 - ?9) + ?9,
            output = min(output, 9223372036854775807 - ?10) + ?10, tokens = min(tokens, 9223372036854775807 - ?11) + ?11,
            money = min(money, 9223372036854775807 - ?12) + ?12",
    )?
    .execute((
        stored(hour),
        entry.agent,
        entry.root,
        entry.model,
        entry.api.name(),
        is_refused,
        is_whole,
        stored(entry.input),
        stored(entry.cached),
        stored(entry.output),
        stored(charged.tokens),
        stored(charged.money),
    ))?;
    Ok(())
}

/// Usage in the order of time, then of names.
pub(crate) fn usage(db: &Connection, question: &Question) -> Result<Vec<Row>> {
    let by = match question.by {
        By::Agent => "agent",
        By::Root => "root",
        By::Model => "model",
    };
    let step = match question.step {
        None => "NULL",
        Some(Step::Hour) => "hour",
        Some(Step::Day) => "hour - hour % 86400",
    };
    // A sum that overflows would be an error: the halves of the numbers do not.
    let sums: String = ["input", "cached", "output", "tokens", "money"]
        .map(|column| format!(", sum({column} >> 32), sum({column} & 4294967295)"))
        .concat();
    let since = stored(question.since.saturating_sub(question.since % HOUR));
    let rows = format!(
        "SELECT {by}, {step}, sum(requests), sum(refused), sum(whole){sums} FROM usage
        WHERE hour >= ?1 AND hour < ?2 GROUP BY 2, 1 ORDER BY 2, 1 LIMIT ?3"
    );
    let mut rows = db.prepare_cached(&rows)?;
    let rows = rows.query_map((since, stored(question.until), question.limit), row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let count = |at: usize| row.get(at).map(read);
    let sum = |high: usize, low: usize| {
        let (high, low): (i64, i64) = (row.get(high)?, row.get(low)?);
        Ok::<_, rusqlite::Error>(read(high).saturating_mul(1 << 32).saturating_add(read(low)))
    };
    Ok(Row {
        name: row.get(0)?,
        from: row.get::<_, Option<i64>>(1)?.map(read),
        requests: count(2)?,
        refused: count(3)?,
        whole: count(4)?,
        input: sum(5, 6)?,
        cached: sum(7, 8)?,
        output: sum(9, 10)?,
        tokens: sum(11, 12)?,
        money: sum(13, 14)?,
    })
}
