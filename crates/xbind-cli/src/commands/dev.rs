//! The whole story at once, to try things with: a throw-away authority, an operator, two agents.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use xbind_authority::{Config, Server};

use crate::args::{Command, Dev, Init, Register, RegisterAgent};
use crate::commands::authority::A_WHILE;
use crate::commands::{Room, dispatch};
use crate::failure::{Failure, Result};
use crate::home::{Home, Role, files};
use crate::said::Said;

const DOMAIN: &str = "dev.example";
const AGENTS: [&str; 2] = ["alice", "bob"];

pub(crate) fn run(room: &Room<'_>, args: &Dev) -> Result<Said> {
    let root = room.home.root();
    let taken = || {
        Failure::setup(format!("{} is there already", root.display()))
            .hint("xbind dev wants an empty directory, and removes all that it makes: give another --dir")
    };
    if std::fs::symlink_metadata(root).is_ok() {
        return Err(taken());
    }
    if room.terminal.stops_within(Duration::ZERO) {
        return Ok(Said::nothing());
    }
    if !files::new_directory(root)? {
        return Err(taken());
    }
    let done = room.home.of_profile(None).and_then(|home| {
        home.make()?;
        play(room, &home, args)
    });
    drop(std::fs::remove_dir_all(root));
    done
}

fn play(room: &Room<'_>, home: &Home, args: &Dev) -> Result<Said> {
    let mut config = Config::new(home.root().join("authority"));
    config.listen = args.listen;
    let server = Server::start(config)?;
    let as_profile = |profile: Option<&str>| -> Result<Room<'_>> {
        let common = crate::args::Common { json: true, quiet: true, ..room.common.clone() };
        Ok(Room { terminal: room.terminal, common, home: room.home.of_profile(profile)? })
    };
    let init = |operator: bool| {
        let server = server.url().to_owned();
        Command::Init(Init { operator, domain: DOMAIN.to_owned(), server, encrypt: false })
    };
    let own = as_profile(None)?;
    dispatch(&own, init(true))?;
    let operator = own.home.operator()?.1;
    let key = own.home.key(Role::Operator, &operator.did, &own.passphrases())?;
    let id = server.dangerously_add_operator(DOMAIN, key.verifying_key())?;
    dispatch(&own, Command::Register(Register::Operator))?;
    let mut agents = serde_json::Map::new();
    for name in AGENTS {
        let room = as_profile(Some(name))?;
        dispatch(&room, init(false))?;
        let scopes = args.scopes.clone();
        let register = RegisterAgent { operator_id: Some(id.clone()), did: None, enrolment: None, scopes };
        dispatch(&room, Command::Register(Register::Agent(register)))?;
        let agent = room.home.agent()?;
        agents.insert(name.to_owned(), json!({ "did": agent.did, "alias": agent.alias }));
    }
    let said = json!({
        "url": server.url(), "did": server.did().as_str(), "directory": home.root(),
        "operator": { "id": id, "did": operator.did, "domain": DOMAIN }, "agents": Value::Object(agents),
    });
    Said::of(&said).print(room.terminal, room.common.json);
    room.say(&example(home.root(), args));
    while !room.terminal.stops_within(A_WHILE) {}
    server.stop();
    Ok(Said::nothing())
}

fn example(root: &Path, args: &Dev) -> String {
    let directory = if root == Path::new(".xbind") { String::new() } else { format!(" --dir {}", root.display()) };
    let scope = args.scopes.first().map_or("…", String::as_str);
    format!(
        "try: xbind issue --profile alice{directory} --scope {scope} --aud api.example.com\n\
         runs until it is stopped, and removes all of it then: Ctrl-C"
    )
}
