//! The gateway before models: served, explained, and what was used through it.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use xbind_gateway::{Config, Passphrase, Question, Row, Step, amount};
use xbind_net::Roots;

use crate::args::{By, Gateway, GatewayConfig, Per, ServeGateway, Usage};
use crate::commands::Room;
use crate::commands::authority::{A_WHILE, log_to};
use crate::failure::{Failure, Result};
use crate::plain::{plain, utc};
use crate::said::Said;

/// The longest configuration, in bytes.
const MAX_CONFIG: u64 = 1 << 20;

pub(crate) fn run(room: &Room<'_>, args: Gateway) -> Result<Said> {
    match args {
        Gateway::Serve(args) => serve(room, args),
        Gateway::Check(args) => Ok(Said::of(&read(room, &args, &|name| room.terminal.variable(name))?.shown())),
        Gateway::Usage(args) => usage(room, &args),
    }
}

/// The configuration, as far as it can be judged without opening anything; paths in it begin in its folder, or in the working
/// directory where it is stdin.
fn read(room: &Room<'_>, of: &GatewayConfig, variable: &dyn Fn(&str) -> Option<String>) -> Result<Config> {
    let file = &of.config;
    let name = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let wrong = |why: String| Failure::config(format!("{name}: {why}"));
    let text = room.document(file, MAX_CONFIG).map_err(|error| wrong(error.to_string()))?;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    let config = Config::parse(&text, folder, variable).map_err(|fault| wrong(fault.to_string()))?;
    config.check().map_err(|fault| wrong(fault.to_string()))?;
    Ok(config)
}

fn serve(room: &Room<'_>, args: ServeGateway) -> Result<Said> {
    let mut config = read(room, &args.of, &|name| room.terminal.variable(name))?;
    let key = config.data.join("gateway.key");
    config.passphrase = room.passphrases().of_server(&key, args.encrypt)?.map(Passphrase::from);
    config.log = args.log.as_deref().map(log_to).transpose()?;
    config.roots = Roots { pem: Vec::new(), files: room.common.ca.clone().into_iter().collect() };
    if room.terminal.stops_within(Duration::ZERO) {
        return Ok(Said::nothing());
    }
    let gateway = xbind_gateway::Gateway::start(config)?;
    let metrics = gateway.metrics_address().map(|address| format!("http://{address}/metrics"));
    let mut said = json!({
        "url": gateway.url(),
        "did": gateway.did().as_str(),
        "audience": gateway.audience(),
        "listen": gateway.address().to_string(),
    });
    if let (Some(members), Some(metrics)) = (said.as_object_mut(), metrics) {
        members.insert("metrics".to_owned(), metrics.into());
    }
    Said::of(&said).print(room.terminal, room.common.json);
    room.say("runs until it is stopped: Ctrl-C");
    while !room.terminal.stops_within(A_WHILE) {}
    gateway.stop();
    Ok(Said::nothing())
}

fn usage(room: &Room<'_>, args: &Usage) -> Result<Said> {
    // Whoever looks needs no key of an upstream.
    let config = read(room, &args.of, &|name| room.terminal.variable(name).or_else(|| Some("-".to_owned())))?;
    if !config.database.exists() {
        let why = format!("there is no database {}", config.database.display());
        return Err(Failure::setup(why).hint("a gateway makes it when it is served for the first time"));
    }
    let question = Question {
        since: args.since.unwrap_or(0),
        until: args.until.unwrap_or(u64::MAX),
        by: match args.by {
            By::Agent => xbind_gateway::By::Agent,
            By::Root => xbind_gateway::By::Root,
            By::Model => xbind_gateway::By::Model,
        },
        step: args.per.map(|per| match per {
            Per::Hour => Step::Hour,
            Per::Day => Step::Day,
        }),
        limit: args.limit,
    };
    let rows = xbind_gateway::usage(&config.database, &question)?;
    if rows.is_empty() {
        room.say("nothing is on record of that time");
    } else if u32::try_from(rows.len()).is_ok_and(|count| count >= args.limit) {
        room.say("there may be more: --limit says how many rows there are at most");
    }
    let json: Vec<_> = rows.iter().map(shown).collect();
    let sum = sum(&rows);
    let said = json!({ "currency": config.currency, "rows": json, "sum": shown(&sum) });
    let text = if rows.is_empty() { String::new() } else { table(&rows, &sum, args, &config.currency) };
    Ok(Said::of(&said).with_text(text))
}

/// Tokens and money may be more than a number of JSON holds for everybody.
fn shown(row: &Row) -> Value {
    let mut said = json!({
        "requests": row.requests,
        "refused": row.refused,
        "whole": row.whole,
        "input": row.input.to_string(),
        "cached": row.cached.to_string(),
        "output": row.output.to_string(),
        "tokens": row.tokens.to_string(),
        "cost": amount(row.money),
    });
    if let Some(members) = said.as_object_mut().filter(|_| !row.name.is_empty()) {
        members.insert("name".to_owned(), row.name.as_str().into());
        if let Some(from) = row.from {
            members.insert("from".to_owned(), from.into());
        }
    }
    said
}

fn sum(rows: &[Row]) -> Row {
    rows.iter().fold(Row::default(), |all, row| Row {
        requests: all.requests.saturating_add(row.requests),
        refused: all.refused.saturating_add(row.refused),
        whole: all.whole.saturating_add(row.whole),
        input: all.input.saturating_add(row.input),
        cached: all.cached.saturating_add(row.cached),
        output: all.output.saturating_add(row.output),
        tokens: all.tokens.saturating_add(row.tokens),
        money: all.money.saturating_add(row.money),
        ..all
    })
}

/// A row a line, names to the left and numbers to the right, with a sum below.
fn table(rows: &[Row], sum: &Row, args: &Usage, currency: &str) -> String {
    let time = |row: &Row| match (args.per, row.from) {
        (Some(Per::Day), Some(from)) => utc(from).chars().take("2026-01-01".len()).collect(),
        (Some(Per::Hour), Some(from)) => utc(from).chars().take("2026-01-01 00:00".len()).collect(),
        (None, _) | (_, None) => String::new(),
    };
    let by = match args.by {
        By::Agent => "agent",
        By::Root => "root",
        By::Model => "model",
    };
    let cost = format!("cost ({})", plain(currency));
    let titles = ["time", by, "requests", "refused", "whole", "input", "cached", "output", "tokens", &cost];
    let line = |time: String, name: &str, row: &Row| {
        let counts = [row.requests, row.refused, row.whole, row.input, row.cached, row.output, row.tokens];
        let mut cells = vec![time, plain(name)];
        cells.extend(counts.map(|count| count.to_string()));
        cells.push(amount(row.money));
        cells
    };
    let mut lines = vec![titles.map(str::to_owned).to_vec()];
    lines.extend(rows.iter().map(|row| line(time(row), &row.name, row)));
    let is_timed = args.per.is_some();
    let all = if is_timed { line("sum".to_owned(), "", sum) } else { line(String::new(), "sum", sum) };
    lines.push(all);
    if !is_timed {
        for line in &mut lines {
            line.remove(0);
        }
    }
    aligned(&lines, if is_timed { 2 } else { 1 })
}

/// Columns, of which the first few begin at the same place and the others end there.
fn aligned(lines: &[Vec<String>], left: usize) -> String {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |column: usize| lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let cell = |(column, (cell, width)): (usize, (&String, &usize))| {
        if column < left { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    };
    let line = |cells: &Vec<String>| {
        let cells: Vec<_> = cells.iter().zip(&widths).enumerate().map(cell).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    lines.iter().map(line).collect()
}
