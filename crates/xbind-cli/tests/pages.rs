//! The pages say what is so: the guide runs and prints what is written in it, and docs/cli.md names every command, option
//! and way to exit.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails")]

mod common;

use std::collections::HashMap;

use common::{Desk, Story};
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

#[test]
fn the_guide_from_zero_to_a_verified_token_runs_as_it_is_printed() {
    let story = Story::new();
    let mut variables: HashMap<String, String> = HashMap::new();
    let blocks = blocks(&page("docs/guides/first-token.md"));
    let mut ran = 0;
    for (i, (kind, code)) in blocks.iter().enumerate() {
        if kind != "sh run" {
            continue;
        }
        let mut printed = String::new();
        for line in code.lines() {
            let (variable, command) = match line.split_once("=$(") {
                Some((name, command)) => (Some(name), command.strip_suffix(')').unwrap()),
                None => (None, line),
            };
            let words = command.strip_prefix("xbind ").unwrap().split(' ').map(|word| match word.strip_prefix("\"$") {
                Some(name) => variables[name.trim_end_matches('"')].clone(),
                None => word.replace("http://localhost:8080", story.url()),
            });
            let words: Vec<_> = words.collect();
            let said = story.desk.run_plain(&words.iter().map(String::as_str).collect::<Vec<_>>());
            assert!(matches!(said.exit, Exit::Done | Exit::Invalid), "{line}: {said:?}");
            // The owner of the domain does what he is told.
            if line.ends_with("instructions") {
                let value = said.out.split('"').nth(1).unwrap();
                story.dns.set("_xbind.example.com", &[value]);
            }
            match variable {
                Some(name) => drop(variables.insert(name.to_owned(), said.out.trim().to_owned())),
                None => printed.push_str(&said.out),
            }
            ran += 1;
        }
        let (kind, expected) = &blocks[i + 1];
        assert_eq!(kind, "text");
        let printed = printed.replace(story.url(), "http://localhost:8080");
        assert!(fits(expected.trim_end(), printed.trim_end()), "{expected}\n— is not —\n{printed}");
    }
    assert_eq!(ran, 12);
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
