//! The tables, and how a database of an earlier schema becomes one of this.

use rusqlite::Connection;

use crate::store::Fault;

/// Each leads from the schema of its place to the next ([`xbind_server::migrate`]).
const STEPS: &[&str] = &[V1, V2, V3, V4, V5, V6, V7, V8, V9];

const V1: &str = "
CREATE TABLE meta(
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE operators(
    id TEXT PRIMARY KEY,
    domain TEXT NOT NULL UNIQUE,
    key BLOB NOT NULL,
    verified_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE agents(
    number INTEGER PRIMARY KEY,
    operator TEXT NOT NULL REFERENCES operators(id),
    fingerprint BLOB NOT NULL,
    status INTEGER NOT NULL,
    scopes TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX agents_by_alias ON agents(operator, fingerprint);
CREATE TABLE keys(
    key BLOB PRIMARY KEY,
    agent INTEGER NOT NULL REFERENCES agents(number),
    place INTEGER NOT NULL,
    added_at INTEGER NOT NULL,
    rotation TEXT
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX keys_by_agent ON keys(agent, place);
CREATE TABLE tokens(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    challenge BLOB NOT NULL UNIQUE,
    agent INTEGER NOT NULL REFERENCES agents(number),
    expires_at INTEGER NOT NULL,
    revoked INTEGER NOT NULL
) STRICT;
CREATE INDEX tokens_by_expiry ON tokens(expires_at);
CREATE TABLE names(
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    agent INTEGER NOT NULL REFERENCES agents(number),
    card TEXT,
    withdrawn INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    PRIMARY KEY(domain, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX names_by_agent ON names(agent);
CREATE TABLE nonces(
    claim BLOB PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX nonces_by_until ON nonces(until);
";

/// Counts are kept, so that a bound can be asked for without a scan; why somebody's status is what it is; and the last token of
/// an agent that does not count any more, whatever its row says.
const V2: &str = "
ALTER TABLE operators ADD COLUMN agents INTEGER NOT NULL DEFAULT 0;
UPDATE operators SET agents = (SELECT count(*) FROM agents WHERE agents.operator = operators.id);
ALTER TABLE agents ADD COLUMN names INTEGER NOT NULL DEFAULT 0;
UPDATE agents SET names = (SELECT count(*) FROM names WHERE names.agent = agents.number AND withdrawn = 0);
ALTER TABLE agents ADD COLUMN reason TEXT;
ALTER TABLE agents ADD COLUMN void_to INTEGER NOT NULL DEFAULT 0;
";

/// Keys that change: those of the authority, from the second on, each with its first status list; and those of operators,
/// whom records name by the first one.
const V3: &str = "
CREATE TABLE authority_keys(
    place INTEGER PRIMARY KEY,
    rotation TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    first_list INTEGER NOT NULL
) STRICT;
ALTER TABLE operators ADD COLUMN first_key BLOB;
UPDATE operators SET first_key = key;
CREATE INDEX operators_by_key ON operators(key);
CREATE INDEX operators_by_first_key ON operators(first_key);
CREATE TABLE operator_keys(
    operator TEXT NOT NULL REFERENCES operators(id),
    place INTEGER NOT NULL,
    key BLOB NOT NULL,
    added_at INTEGER NOT NULL,
    rotation TEXT NOT NULL,
    PRIMARY KEY(operator, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX operator_keys_by_key ON operator_keys(key);
";

/// Agents that came to an operator when its domain was freed already, whose name holds a space then.
const V4: &str = "
UPDATE agents SET status = 2, reason = 'domain released'
    WHERE status != 2 AND operator IN (SELECT id FROM operators WHERE instr(domain, ' ') > 0);
";

/// Tokens that agents were given for those of users: what operators allow, the users' tokens from which others are derived, and
/// what issuers have said of sessions that have ended.
const V5: &str = "
CREATE TABLE exchange_policies(
    operator TEXT PRIMARY KEY REFERENCES operators(id),
    policy TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE roots(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    digest BLOB NOT NULL UNIQUE,
    issuer TEXT NOT NULL,
    subject TEXT NOT NULL,
    session TEXT,
    expires_at INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    ended INTEGER NOT NULL
) STRICT;
CREATE INDEX roots_by_subject ON roots(issuer, subject);
CREATE INDEX roots_by_session ON roots(issuer, session);
CREATE INDEX roots_by_expiry ON roots(expires_at);
CREATE TABLE logouts(
    issuer TEXT NOT NULL,
    id TEXT NOT NULL,
    subject TEXT,
    session TEXT,
    issued_at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY(issuer, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX logouts_by_subject ON logouts(issuer, subject);
CREATE INDEX logouts_by_session ON logouts(issuer, session);
CREATE INDEX logouts_by_end ON logouts(until);
ALTER TABLE tokens ADD COLUMN root INTEGER;
CREATE INDEX tokens_by_root ON tokens(root) WHERE root IS NOT NULL;
";

/// The authority's next key before it signs anything, keys of it that are doubtful, what a command asks of a server that runs,
/// and when each token was issued.
const V6: &str = "
ALTER TABLE authority_keys ADD COLUMN active_at INTEGER NOT NULL DEFAULT 0;
UPDATE authority_keys SET active_at = added_at;
CREATE TABLE authority_next(
    one INTEGER PRIMARY KEY CHECK (one = 1),
    rotation TEXT NOT NULL,
    added_at INTEGER NOT NULL
) STRICT;
CREATE TABLE authority_doubts(
    key BLOB PRIMARY KEY,
    tainted_from INTEGER NOT NULL,
    revoked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE wishes(
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    step TEXT NOT NULL,
    until INTEGER NOT NULL,
    outcome TEXT
) STRICT;
ALTER TABLE tokens ADD COLUMN issued_at INTEGER NOT NULL DEFAULT 0;
";

/// What an operator takes away from its agents is found by agent, and not among the tokens of all that act for users.
const V7: &str = "
CREATE INDEX tokens_of_users ON tokens(agent) WHERE root IS NOT NULL;
";

/// Of which users' tokens an issuer has not said for too long that they count is found without a walk over all of them.
const V8: &str = "
CREATE INDEX roots_asked ON roots(issuer, asked_at) WHERE ended = 0;
";

/// Whether anything that is derived from a user's token counts is found without a walk over all that was revoked.
const V9: &str = "
CREATE INDEX tokens_that_count ON tokens(root, expires_at) WHERE root IS NOT NULL AND revoked = 0;
";

/// The schema of this version.
pub const VERSION: usize = STEPS.len();

/// Brings a database to the schema of this version.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    xbind_server::migrate(connection, STEPS)
}

/// The statements that made a database of that schema, for tests of the way from there.
#[must_use]
pub fn steps_to(version: usize) -> String {
    STEPS.iter().take(version).copied().collect()
}
