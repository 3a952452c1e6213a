//! Commands of a gateway before models.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args as Group, Subcommand, ValueEnum};

use super::seconds;

#[derive(Subcommand)]
pub(crate) enum Gateway {
    /// Serve until it is stopped
    Serve(ServeGateway),
    /// What a configuration means; nothing is opened
    Check(GatewayConfig),
    /// What was used, by agents, people or models
    Usage(Usage),
}

#[derive(Group)]
pub(crate) struct GatewayConfig {
    /// The JSON file that says what the gateway is; - reads it from stdin
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Group)]
pub(crate) struct ServeGateway {
    #[command(flatten)]
    pub(crate) of: GatewayConfig,
    /// A line of JSON for each request goes to the end of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
    /// The gateway's key is, or becomes, protected with a passphrase
    #[arg(long)]
    pub(crate) encrypt: bool,
}

#[derive(Group)]
pub(crate) struct Usage {
    #[command(flatten)]
    pub(crate) of: GatewayConfig,
    /// By what it is told apart: root is the person, or else the first holder of the rights
    #[arg(long, value_enum, default_value_t = By::Agent)]
    pub(crate) by: By,
    /// How time is divided, in UTC [default: not at all]
    #[arg(long, value_enum)]
    pub(crate) per: Option<Per>,
    /// From the hour of this time on: 24h or 7d ago, or seconds since 1970
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) since: Option<u64>,
    /// What began before that time
    #[arg(long, value_parser = moment, value_name = "TIME")]
    pub(crate) until: Option<u64>,
    /// How many rows
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) limit: u32,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum By {
    Agent,
    Root,
    Model,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Per {
    Hour,
    Day,
}

/// A time in seconds since 1970: that number itself, or how long ago it was.
fn moment(text: &str) -> Result<u64, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| "a time is 24h or 7d ago, or seconds since 1970".to_owned());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    seconds(text).map(|ago| now.saturating_sub(ago))
}
