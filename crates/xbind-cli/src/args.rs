//! What can be asked for: each command with its options. The comments are the help that users read.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};

mod gateway;
mod more;
pub(crate) use gateway::*;
pub(crate) use more::*;

/// Cryptographic identities for agents, and an operator's trust domain
#[derive(Parser)]
#[command(name = "xbind", version, disable_help_subcommand = true, max_term_width = 100)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Clone, Group)]
pub(crate) struct Common {
    /// Where identities are kept [default: XBIND_DIR, or .xbind]
    #[arg(long, global = true, value_name = "DIRECTORY", display_order = 900)]
    pub(crate) dir: Option<PathBuf>,
    /// One of several agents on this machine [default: XBIND_PROFILE]
    #[arg(long, global = true, value_name = "NAME", display_order = 901)]
    pub(crate) profile: Option<String>,
    /// A file with the passphrase of the key [default: XBIND_PASSPHRASE, or a prompt]
    #[arg(long, global = true, value_name = "FILE", display_order = 902)]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// A PEM file with certificates to trust beside the usual ones
    #[arg(long, global = true, value_name = "FILE", display_order = 903)]
    pub(crate) ca: Option<PathBuf>,
    /// Say everything as JSON, one value
    #[arg(long, global = true, display_order = 904)]
    pub(crate) json: bool,
    /// Say nothing but data and errors
    #[arg(long, global = true, display_order = 905)]
    pub(crate) quiet: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Make an identity: of an agent, or of an operator
    Init(Init),
    /// Make an identity known to the authority
    #[command(subcommand)]
    Register(Register),
    /// Prove the operator's domain by DNS
    #[command(subcommand)]
    VerifyOperator(VerifyOperator),
    /// What an agent may ask tokens for
    #[command(subcommand)]
    AgentScopes(AgentScopes),
    /// Whose users agents may act for
    #[command(subcommand)]
    Exchange(Exchange),
    /// Get a token, by proving the agent's key
    Issue(Issue),
    /// Verify a token: without a network, or with what the authority says of it now
    Verify(Verify),
    /// Revoke a token, or an agent for good
    Revoke(Revoke),
    /// Let an agent and its tokens rest
    Suspend(Change),
    /// Let a suspended agent go on
    Reactivate(Change),
    /// Who this is
    Whoami,
    /// Whether the authority can be reached and decides
    Health(Server),
    /// Run an authority
    #[command(subcommand)]
    Authority(Authority),
    /// Run a gateway before models
    #[command(subcommand)]
    Gateway(Gateway),
    /// The agent's key: made, shown, carried, changed
    #[command(subcommand)]
    Identity(Identity),
    /// Look at a token
    #[command(subcommand)]
    Token(Token),
    /// What was decided in the operator's domain
    #[command(subcommand)]
    Audit(Audit),
    /// What may be wrong with this installation
    Doctor(Doctor),
    /// What a shell needs to complete commands
    Completions(Completions),
    /// A throw-away authority with an operator and two agents, to try things with
    Dev(Dev),
}

#[derive(Group)]
pub(crate) struct Init {
    /// An operator's root key instead of an agent's
    #[arg(long)]
    pub(crate) operator: bool,
    /// The domain, like example.com
    #[arg(long)]
    pub(crate) domain: String,
    /// The URL of the authority
    #[arg(long, default_value = "http://localhost:8080", value_name = "URL")]
    pub(crate) server: String,
    /// Protect the key with a passphrase
    #[arg(long)]
    pub(crate) encrypt: bool,
}

#[derive(Subcommand)]
pub(crate) enum Register {
    /// Begin with the operator's domain: says which TXT record proves it
    Operator,
    /// Prove the agent's key, and take it in where its operator is here
    Agent(RegisterAgent),
}

// Whatever is base64url may begin with a hyphen.
#[derive(Group)]
pub(crate) struct RegisterAgent {
    /// The id of the operator [default: the one here]
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) operator_id: Option<String>,
    /// For the operator: take in the agent of this DID, whose key is elsewhere
    #[arg(long, requires = "enrolment")]
    pub(crate) did: Option<String>,
    /// What that agent was given by its own `register agent`
    #[arg(long, requires = "did", value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) enrolment: Option<String>,
    /// What it may ask tokens for; nothing without
    #[arg(long, value_delimiter = ',')]
    pub(crate) scopes: Vec<String>,
}

#[derive(Subcommand)]
pub(crate) enum VerifyOperator {
    /// The TXT record to publish
    Instructions,
    /// Let the authority look for it
    Confirm,
    /// Whether the domain is proven
    Status,
}

#[derive(Subcommand)]
pub(crate) enum AgentScopes {
    /// Say all that an agent may ask for
    Set(SetScopes),
    /// What an agent may ask for
    List(OneAgent),
}

#[derive(Group)]
pub(crate) struct SetScopes {
    /// Scopes, parted by commas; an empty text takes all away
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) scopes: Vec<String>,
    #[command(flatten)]
    pub(crate) agent: OneAgent,
}

#[derive(Group)]
pub(crate) struct OneAgent {
    /// Its DID or alias [default: the agent here]
    #[arg(long, value_name = "DID")]
    pub(crate) agent: Option<String>,
}

#[derive(Subcommand)]
pub(crate) enum Exchange {
    /// Say whose, and what each scope of a user gives
    Set(SetExchange),
    /// What was said
    Show,
}

#[derive(Group)]
pub(crate) struct SetExchange {
    /// A JSON file with issuers, scopes and max_ttl; - reads it from stdin
    pub(crate) file: PathBuf,
}

#[derive(Group)]
pub(crate) struct Issue {
    /// What for; more than one parted by commas
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) scope: Vec<String>,
    /// Where it is to be used
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) aud: String,
    /// How long it lives: 90s, 15m, 1h
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    pub(crate) ttl: Option<u64>,
}

#[derive(Group)]
pub(crate) struct Verify {
    /// The token; - reads it from stdin
    #[arg(long)]
    pub(crate) token: String,
    /// Where it is used: a token for anybody else is refused
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) aud: String,
    /// What it has to grant; more than one parted by commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) scope: Vec<String>,
    /// Ask whether it was revoked, too
    #[arg(long)]
    pub(crate) online: bool,
    /// Who issues tokens [default: the authority that this identity is registered with]
    #[arg(long, value_name = "DID")]
    pub(crate) issuer: Option<String>,
    #[command(flatten)]
    pub(crate) server: Server,
}

#[derive(Group)]
pub(crate) struct Server {
    /// The URL of the authority [default: that of the identity here]
    #[arg(long, value_name = "URL")]
    pub(crate) server: Option<String>,
}

#[derive(Group)]
pub(crate) struct Revoke {
    #[command(flatten)]
    pub(crate) what: Revoked,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Group)]
#[group(required = true, multiple = false)]
pub(crate) struct Revoked {
    /// A token; - reads it from stdin
    #[arg(long)]
    pub(crate) token: Option<String>,
    /// The id of a token, its `jti`
    #[arg(long, value_name = "JTI", allow_hyphen_values = true)]
    pub(crate) id: Option<String>,
    /// An agent with all its tokens, for good: its DID or alias
    #[arg(long, value_name = "DID")]
    pub(crate) agent: Option<String>,
}

#[derive(Group)]
pub(crate) struct Change {
    #[command(flatten)]
    pub(crate) agent: OneAgent,
    /// Why, for the record
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

/// A span of time: a whole number, alone or with `s`, `m`, `h` or `d`.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    let units = [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400)];
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| text.strip_suffix(*unit).map(|digits| (digits, *factor)))
        .unwrap_or((text, 1));
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: Option<u64> = digits.parse().ok().filter(|_| is_number);
    number.and_then(|number| number.checked_mul(factor)).ok_or_else(|| "a time is 90s, 15m, 1h or 1d".to_owned())
}
