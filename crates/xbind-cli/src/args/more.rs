//! Commands around the story: running an authority, keys, logs, this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args as Group, Subcommand, ValueEnum};

use super::{Server, seconds};

#[derive(Subcommand)]
pub(crate) enum Authority {
    /// Serve until it is stopped
    Serve(Serve),
    /// Copy everything of a server, which may run meanwhile
    Backup(Copy),
    /// Make the directory of a server of a backup
    Restore(Copy),
    /// Free a domain whose operator is gone; the server must not run
    Release(Release),
    /// The authority's keys, and where each stands
    Keys(Data),
    /// Make the authority's next key and tell others of it
    PrepareKey(PrepareKey),
    /// Let the key that is prepared sign
    ActivateKey(ActivateKey),
    /// Say that a key is doubtful: it signs nothing more, and its tokens since then are taken back
    TaintKey(TaintKey),
    /// Take a key back with all that it has signed
    RevokeKey(RevokeKey),
    /// Give the authority a new key at once: prepared, if one is, and activated
    RotateKey(RotateKey),
}

#[derive(Group)]
pub(crate) struct Serve {
    /// Where everything is kept
    #[arg(long, value_name = "DIRECTORY", default_value = "authority")]
    pub(crate) data: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080))]
    pub(crate) listen: SocketAddr,
    /// How clients reach it [default: the address that it listens on, as http://localhost:8080]
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// A PEM file with the certificates
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// A PEM file with their key
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The DNS resolver [default: that of the system]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) resolver: Option<SocketAddr>,
    /// A JSON file with the OIDC providers whose users agents may act for
    #[arg(long, value_name = "FILE")]
    pub(crate) issuers: Option<PathBuf>,
    /// Change the authority's key by itself, so often: 2d or more
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    pub(crate) rotate_every: Option<u64>,
    /// A line of JSON for each request goes to the end of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// The authority's key is, or becomes, protected with a passphrase
    #[arg(long)]
    pub(crate) encrypt: bool,
    /// Listen beyond this machine without TLS
    #[arg(long)]
    pub(crate) dangerously_allow_plain_http: bool,
}

#[derive(Group)]
pub(crate) struct Copy {
    /// Of which directory
    #[arg(value_name = "FROM")]
    pub(crate) from: PathBuf,
    /// Into which one, which must not be there
    #[arg(value_name = "TO")]
    pub(crate) to: PathBuf,
}

#[derive(Group)]
pub(crate) struct Release {
    /// Where everything is kept
    #[arg(long, value_name = "DIRECTORY", default_value = "authority")]
    pub(crate) data: PathBuf,
    /// The domain
    #[arg(long)]
    pub(crate) domain: String,
}

#[derive(Group)]
pub(crate) struct Data {
    /// Where everything is kept
    #[arg(long, value_name = "DIRECTORY", default_value = "authority")]
    pub(crate) data: PathBuf,
}

#[derive(Group)]
pub(crate) struct PrepareKey {
    #[command(flatten)]
    pub(crate) at: Data,
    /// When it begins to sign by itself: up to 30d, and after 5m at the earliest, whatever is said
    #[arg(long, value_parser = seconds, default_value = "1d", value_name = "TIME")]
    pub(crate) after: u64,
}

#[derive(Group)]
pub(crate) struct ActivateKey {
    #[command(flatten)]
    pub(crate) at: Data,
    /// Although verifiers may have a JWK set without it, and refuse tokens until they ask again
    #[arg(long)]
    pub(crate) at_once: bool,
}

#[derive(Group)]
pub(crate) struct TaintKey {
    #[command(flatten)]
    pub(crate) at: Data,
    /// The DID of the key
    pub(crate) key: String,
    /// Since then, in seconds since 1970 [default: now]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) since: Option<u64>,
}

#[derive(Group)]
pub(crate) struct RevokeKey {
    #[command(flatten)]
    pub(crate) at: Data,
    /// The DID of the key
    pub(crate) key: String,
}

#[derive(Group)]
pub(crate) struct RotateKey {
    #[command(flatten)]
    pub(crate) at: Data,
    /// Only prepare the next key, which begins to sign after a day
    #[arg(long)]
    pub(crate) prepare: bool,
}

#[derive(Subcommand)]
pub(crate) enum Identity {
    /// Make one that belongs to no domain yet
    New(NewIdentity),
    /// Its DID and public key
    Show(Which),
    /// Copy the private key into a file
    Export(Export),
    /// Take a private key from a file
    Import(Import),
    /// Give the agent or the operator a new key, and tell the authority
    Rotate(Rotate),
}

#[derive(Group)]
pub(crate) struct Which {
    /// The operator's instead of the agent's
    #[arg(long)]
    pub(crate) operator: bool,
}

#[derive(Group)]
pub(crate) struct NewIdentity {
    /// Protect the key with a passphrase
    #[arg(long)]
    pub(crate) encrypt: bool,
}

#[derive(Group)]
pub(crate) struct Export {
    #[command(flatten)]
    pub(crate) which: Which,
    /// The file to make, PKCS#8 in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Protect the copy with the passphrase in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) out_passphrase_file: Option<PathBuf>,
    /// Leave the copy without a passphrase, although the key has one
    #[arg(long, conflicts_with = "out_passphrase_file")]
    pub(crate) plain: bool,
}

#[derive(Group)]
pub(crate) struct Import {
    /// The file to read, PKCS#8 as PEM or DER; its passphrase is taken for the key here, too
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
}

#[derive(Group)]
pub(crate) struct Rotate {
    /// The operator's root key, whose old one ends at once, instead of the agent's
    #[arg(long, conflicts_with_all = ["overlap", "emergency"])]
    pub(crate) operator: bool,
    /// How long the old key goes on: up to 7d
    #[arg(long, value_parser = seconds, default_value = "1d", value_name = "TIME")]
    pub(crate) overlap: u64,
    /// The old key was stolen: it stops at once, and so do all tokens
    #[arg(long, conflicts_with = "overlap")]
    pub(crate) emergency: bool,
}

#[derive(Subcommand)]
pub(crate) enum Token {
    /// What a token says, without verifying anything of it
    Inspect(Inspect),
}

#[derive(Group)]
pub(crate) struct Inspect {
    /// The token; - reads it from stdin
    #[arg(default_value = "-")]
    pub(crate) token: String,
}

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// The last records of the operator's domain
    Tail(Tail),
    /// Verify a log in files: each line, and that none is missing
    Verify(VerifyLog),
}

#[derive(Group)]
pub(crate) struct Tail {
    /// How many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub(crate) limit: u64,
    /// Go on with what comes
    #[arg(long)]
    pub(crate) follow: bool,
    /// Of one agent
    #[arg(long, value_name = "DID")]
    pub(crate) agent: Option<String>,
    /// Of one token
    #[arg(long, value_name = "JTI", allow_hyphen_values = true)]
    pub(crate) token: Option<String>,
    /// Since then, in seconds since 1970
    #[arg(long, value_name = "SECONDS")]
    pub(crate) since: Option<u64>,
    /// Until then
    #[arg(long, value_name = "SECONDS")]
    pub(crate) until: Option<u64>,
}

#[derive(Group)]
pub(crate) struct VerifyLog {
    /// The first file of the log
    pub(crate) file: PathBuf,
    /// Whose log it has to be
    #[arg(long)]
    pub(crate) did: Option<String>,
    /// A line that it has to hold, by its number
    #[arg(long, requires = "digest")]
    pub(crate) seq: Option<u64>,
    /// And its digest
    #[arg(long, requires = "seq", allow_hyphen_values = true)]
    pub(crate) digest: Option<String>,
}

#[derive(Group)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) server: Server,
    /// The DNS resolver [default: that of the system]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) resolver: Option<SocketAddr>,
}

#[derive(Group)]
pub(crate) struct Completions {
    /// For which shell
    pub(crate) shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

#[derive(Group)]
pub(crate) struct Dev {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))]
    pub(crate) listen: SocketAddr,
    /// What both agents may ask tokens for
    #[arg(long, value_delimiter = ',', default_value = "read:payments")]
    pub(crate) scopes: Vec<String>,
}
