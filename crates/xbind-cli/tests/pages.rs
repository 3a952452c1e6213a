//! The pages say what is so: the guide runs and prints what is written in it, and docs/cli.md names every command, option
//! and way to exit.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test that panics fails"
)]

mod common;

use std::collections::HashMap;

use common::models::{ask, upstream, write_private};
use common::{Desk, Story, while_it_runs, words};
use xbind_cli::Exit;

fn page(name: &str) -> String {
    std::fs::read_to_string(format!("{}/../../{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Blocks of code, each with what stands behind its fence.
fn blocks(page: &str) -> Vec<(String, String)> {
    let parts: Vec<_> = page.split("\n```").collect();
    let codes = parts.iter().skip(1).step_by(2);
    codes.map(|code| code.split_once('\n').unwrap_or((code, ""))).map(|(a, b)| (a.to_owned(), b.to_owned())).collect()
}

/// `…` stands for what differs from run to run; alone on a line, for any lines.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else { return pattern == text };
    let Some(text) = text.strip_prefix(first) else { return false };
    let is_lines = first.is_empty() || first.ends_with('\n');
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(1);
    let mut ends = ends.take_while(|end| is_lines && rest.starts_with('\n') || !text[..*end].contains('\n'));
    ends.any(|end| fits(rest, &text[end..]))
}

/// Somebody who types what a guide says.
struct Reader<'a> {
    story: &'a Story,
    variables: HashMap<String, String>,
    /// What stands in the guide, and what it is here.
    here: Vec<(String, String)>,
    typed: usize,
}

impl<'a> Reader<'a> {
    fn new(story: &'a Story) -> Self {
        let here = vec![("http://localhost:8080".to_owned(), story.url().to_owned())];
        Self { story, variables: HashMap::new(), here, typed: 0 }
    }

    fn word(&self, word: &str) -> String {
        if let Some(name) = word.strip_prefix("\"$") {
            return self.variables[name.trim_end_matches('"')].clone();
        }
        self.here.iter().fold(word.to_owned(), |word, (there, here)| word.replace(there, here))
    }

    fn words(&self, command: &str) -> Vec<String> {
        command.strip_prefix("xbind ").unwrap().split(' ').map(|word| self.word(word)).collect()
    }

    fn types(&mut self, code: &str, (kind, expected): &(String, String)) {
        let mut printed = String::new();
        for line in code.lines() {
            let (variable, command) = match line.split_once("=$(") {
                Some((name, command)) => (Some(name), command.strip_suffix(')').unwrap()),
                None => (None, line),
            };
            let words = self.words(command);
            let said = self.story.desk.run_plain(&words.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(matches!(said.exit, Exit::Done | Exit::Invalid), "{line}: {said:?}");
            // The owner of the domain does what he is told.
            if line.ends_with("instructions") {
                let value = said.out.split('"').nth(1).unwrap();
                self.story.dns.set("_xbind.example.com", &[value]);
            }
            match variable {
                Some(name) => drop(self.variables.insert(name.to_owned(), said.out.trim().to_owned())),
                None => printed.push_str(&said.out),
            }
            self.typed += 1;
        }
        if !printed.is_empty() {
            assert_eq!(kind, "text");
            self.sees(&printed, expected);
        }
    }

    fn sees(&self, printed: &str, expected: &str) {
        let printed = self.here.iter().fold(printed.to_owned(), |text, (there, here)| text.replace(here, there));
        assert!(fits(expected.trim_end(), printed.trim_end()), "{expected}\n— is not —\n{printed}");
    }
}

#[test]
fn the_guide_from_zero_to_a_verified_token_runs_as_it_is_printed() {
    let story = Story::new();
    let mut reader = Reader::new(&story);
    let blocks = blocks(&page("docs/guides/first-token.md"));
    for (i, (kind, code)) in blocks.iter().enumerate() {
        if kind == "sh run" {
            reader.types(code, &blocks[i + 1]);
        }
    }
    assert_eq!(reader.typed, 12);
}

#[test]
fn the_guide_from_an_authority_to_a_gateway_runs_as_it_is_printed() {
    let story = Story::new();
    let mut reader = Reader::new(&story);
    let blocks = blocks(&page("docs/guides/gateway.md"));
    let at = |name: &str| story.desk.folder.join(name).display().to_string();
    let file = blocks.iter().find(|(kind, _)| kind == "json gateway.json").unwrap();
    let file = file.1.replace("did:key:z6Mk…", story.server.did().as_str()).replace("127.0.0.1:8090", "127.0.0.1:0");
    let (upstream, told) = (upstream(1), "https://api.openai.com");
    let file = file.replace(told, &upstream).replace("http://localhost:8080", story.url());
    std::fs::write(at("gateway.json"), file).unwrap();
    write_private(at("openai.key").as_ref(), "sk-secret\n");
    reader.here.push((told.to_owned(), upstream));
    for name in ["gateway.json", "gateway/audit.jsonl"] {
        reader.here.push((name.to_owned(), at(name)));
    }

    let serves = blocks.iter().position(|(kind, _)| kind == "sh serve").unwrap();
    let (before, after) = blocks.split_at(serves);
    for (i, (kind, code)) in before.iter().enumerate() {
        if kind == "sh run" {
            reader.types(code, &before[i + 1]);
        }
    }
    let serve = [reader.words(after[0].1.trim()), words(&["--json"])].concat();
    let ran = while_it_runs(serve, |told| {
        let lines =
            ["audience", "did", "listen", "url"].map(|name| format!("{name}: {}\n", told[name].as_str().unwrap()));
        let listen = told["listen"].as_str().unwrap();
        reader.here.push(("127.0.0.1:8090".to_owned(), listen.to_owned()));
        reader.sees(&lines.concat(), &after[1].1);
        for (i, (kind, code)) in after.iter().enumerate() {
            match kind.as_str() {
                "sh run" => reader.types(code, &after[i + 1]),
                "sh curl" => {
                    let path = code.split_once("8090").unwrap().1.split(' ').next().unwrap();
                    let body = code.split_once("-d '").unwrap().1.trim_end().trim_end_matches('\'');
                    let answer = ask(listen, path, &reader.variables["TOKEN"], body);
                    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("xbind-record: "), "{answer}");
                    // It is settled a moment after its end.
                    let usage = ["gateway", "usage", "--config", &at("gateway.json")];
                    while story.desk.run(&usage).done().json()["rows"] == serde_json::json!([]) {
                        std::thread::sleep(std::time::Duration::from_millis(5));
                    }
                }
                _ => {}
            }
        }
    });
    assert_eq!((ran.exit, reader.typed), (Exit::Done, 11), "{ran:?}");
}

#[test]
fn the_page_of_the_command_names_all_there_is() {
    let page = page("docs/cli.md");
    let desk = Desk::new();
    let help = |command: &[&str]| desk.run_plain(&[command, &["--help"]].concat()).done().out;
    let commands = |text: &str| -> Vec<String> {
        let below = text.split("Commands:\n").nth(1).unwrap_or_default();
        let lines = below.lines().take_while(|line| !line.is_empty());
        // What is indented further goes on with the line before.
        let names = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    let mut seen = 0;
    for command in commands(&help(&[])) {
        let below = commands(&help(&[&command]));
        let leaves: Vec<Vec<&str>> = match below.len() {
            0 => vec![vec![&command]],
            _ => below.iter().map(|sub| vec![command.as_str(), sub]).collect(),
        };
        for leaf in leaves {
            let name = leaf.join(" ");
            let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/cli.md has no row for {name}"));
            let text = help(&leaf);
            let options = text.split_whitespace().filter_map(|word| word.strip_prefix("--"));
            for option in options.map(|option| option.trim_end_matches(|c: char| !c.is_ascii_alphanumeric())) {
                let is_common = ["dir", "profile", "passphrase-file", "ca", "json", "quiet", "help", "operator", ""];
                let is_named = is_common.contains(&option) || row.contains(&format!("--{option}"));
                assert!(is_named, "docs/cli.md does not say that {name} takes --{option}");
            }
            seen += 1;
        }
    }
    assert!(seen >= 28, "{seen}");
    for common in ["--dir", "--profile", "--passphrase-file", "--ca", "--json", "--quiet"] {
        assert!(page.contains(&format!("| `{common}`")), "{common}");
    }
    let exits = [Exit::Done, Exit::Failed, Exit::Usage, Exit::Setup, Exit::Refused, Exit::Unavailable, Exit::Invalid];
    for exit in exits {
        assert!(page.contains(&format!("\n| {} |", exit.code())), "{exit:?}");
    }
}
