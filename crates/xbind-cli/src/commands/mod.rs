//! A room for each group of commands, and what they share.

mod agent;
mod audit;
mod authority;
mod completions;
mod dev;
mod doctor;
mod exchange;
mod gateway;
mod identity;
mod operator;
mod rotation;
mod status;
mod token;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use xbind::SigningKey;

use crate::args::{Args, Command, Common, Identity, Register, Token};
use crate::client::Client;
use crate::failure::{Failure, Result};
use crate::home::keys::Passphrases;
use crate::home::{Agent, Home, Operator, Role};
use crate::plain::lines;
use crate::said::Said;
use crate::terminal::Terminal;

/// What every command is given.
pub(crate) struct Room<'a> {
    pub(crate) terminal: &'a dyn Terminal,
    pub(crate) common: Common,
    pub(crate) home: Home,
}

pub(crate) fn run(args: Args, terminal: &dyn Terminal) -> Result<Said> {
    let Args { common, command } = args;
    let root = common.dir.clone().or_else(|| terminal.variable("XBIND_DIR").map(PathBuf::from));
    let profile = common.profile.clone().or_else(|| terminal.variable("XBIND_PROFILE"));
    let home = Home::new(root.unwrap_or_else(|| PathBuf::from(".xbind")), profile)?;
    dispatch(&Room { terminal, common, home }, command)
}

/// One command in one room.
pub(crate) fn dispatch(room: &Room<'_>, command: Command) -> Result<Said> {
    match command {
        Command::Init(args) => identity::init(room, &args),
        Command::Register(args) => match args {
            Register::Operator => operator::register(room),
            Register::Agent(args) => agent::register(room, args),
        },
        Command::VerifyOperator(args) => operator::verify(room, &args),
        Command::AgentScopes(args) => agent::scopes(room, args),
        Command::Exchange(args) => exchange::run(room, &args),
        Command::Issue(args) => token::issue(room, args),
        Command::Verify(args) => token::verify(room, &args),
        Command::Revoke(args) => token::revoke(room, args),
        Command::Suspend(args) => status::change(room, args, "suspended"),
        Command::Reactivate(args) => status::change(room, args, "active"),
        Command::Whoami => status::whoami(room),
        Command::Health(args) => status::health(room, &args),
        Command::Authority(args) => authority::run(room, args),
        Command::Gateway(args) => gateway::run(room, args),
        Command::Identity(Identity::Rotate(args)) => rotation::rotate(room, &args),
        Command::Identity(args) => identity::run(room, args),
        Command::Token(Token::Inspect(args)) => token::inspect(room, &args),
        Command::Audit(args) => audit::run(room, args),
        Command::Doctor(args) => doctor::run(room, &args),
        Command::Completions(args) => Ok(completions::of(args.shell)),
        Command::Dev(args) => dev::run(room, &args),
    }
}

impl Room<'_> {
    /// Talk, unless nobody wants it.
    pub(crate) fn say(&self, text: &str) {
        if !self.common.quiet {
            self.terminal.say(&format!("{}\n", lines(text)));
        }
    }

    pub(crate) fn passphrases(&self) -> Passphrases<'_> {
        Passphrases { terminal: self.terminal, file: self.common.passphrase_file.as_deref() }
    }

    pub(crate) fn client(&self, server: &str) -> Result<Client> {
        Client::new(server, self.common.ca.as_ref())
    }

    /// The server that was named, or the one of an identity here.
    pub(crate) fn server(&self, named: Option<&String>) -> Result<String> {
        if let Some(named) = named {
            return Ok(named.clone());
        }
        if let Some(server) = self.home.find_agent()?.and_then(|agent| agent.server) {
            return Ok(server);
        }
        Ok(self.home.operator().map_err(|failure| failure.hint("give --server, or init an identity"))?.1.server)
    }

    /// A text of an argument, or of stdin where the argument is `-`.
    pub(crate) fn text(&self, argument: &str) -> Result<String> {
        if argument != "-" {
            return Ok(argument.to_owned());
        }
        let bytes = self.terminal.input()?;
        let text = str::from_utf8(&bytes).map_err(|_| Failure::usage("stdin holds no text"))?;
        Ok(text.trim().to_owned())
    }

    /// What a file says whose end is in sight, or stdin where the file is `-`.
    pub(crate) fn document(&self, file: &Path, max: u64) -> io::Result<String> {
        let mut bytes = Vec::new();
        if file == Path::new("-") {
            bytes = self.terminal.input()?.to_vec();
        } else if std::fs::metadata(file)?.is_file() {
            std::fs::File::open(file)?.take(max.saturating_add(1)).read_to_end(&mut bytes)?;
        } else {
            return Err(io::Error::other("this is no file; - is stdin"));
        }
        if u64::try_from(bytes.len()).is_ok_and(|length| length <= max) {
            return String::from_utf8(bytes).map_err(|_| io::Error::other("this is no text"));
        }
        Err(io::Error::other(format!("this has more than {max} bytes")))
    }

    /// The operator here, at its authority, whose answers count only if it is the one that it was.
    pub(crate) fn as_operator(&self) -> Result<OfOperator> {
        let (home, mut operator) = self.home.operator()?;
        let id = operator
            .id
            .clone()
            .ok_or_else(|| Failure::setup("the operator is not registered").hint("xbind register operator"))?;
        let key = home.key(Role::Operator, &operator.did, &self.passphrases())?;
        let mut client = self.client(&operator.server)?;
        if operator.authority.follow(&mut client)? {
            home.note_operator_authority(&operator)?;
        }
        Ok(OfOperator { operator, id, key, client })
    }

    /// The agent here, at its authority, whose answers count only if it is the one that it was.
    pub(crate) fn as_agent(&self) -> Result<OfAgent> {
        let mut agent = self.home.agent()?;
        let none = || Failure::setup("the agent has no authority").hint("xbind init --domain … --server …");
        let mut client = self.client(agent.server.as_deref().ok_or_else(none)?)?;
        let key = self.home.key(Role::Agent, &agent.did, &self.passphrases())?;
        if agent.authority.follow(&mut client)? {
            self.home.note_agent_authority(&agent)?;
        }
        Ok(OfAgent { agent, key, client })
    }

    /// The agent that was named, or the one here.
    pub(crate) fn agent_or(&self, named: Option<String>) -> Result<String> {
        let own = || -> Result<String> {
            let hint = "name one with --agent, or take another --profile";
            Ok(self.home.agent().map_err(|failure| failure.hint(hint))?.did)
        };
        let did = named.map_or_else(own, Ok)?;
        // It becomes part of a path.
        let is_did = did.starts_with("did:") && did.bytes().all(|b| b.is_ascii_alphanumeric() || b":.-_".contains(&b));
        if is_did { Ok(did) } else { Err(Failure::usage(format!("{did} is no DID of an agent"))) }
    }
}

pub(crate) struct OfOperator {
    pub(crate) operator: Operator,
    pub(crate) id: String,
    pub(crate) key: SigningKey,
    pub(crate) client: Client,
}

pub(crate) struct OfAgent {
    pub(crate) agent: Agent,
    pub(crate) key: SigningKey,
    pub(crate) client: Client,
}
