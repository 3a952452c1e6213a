//! The tools that a request lets a model use.

use super::members::{Members, list, text};
use super::{is_name, object};
use crate::api::Api;
use crate::problem::{Problem, Result};

/// Tools by name, and whether one of them runs where the model does: what it reads there, no body says.
#[derive(Default)]
pub(super) struct Tools {
    pub names: Vec<String>,
    pub at_the_model: bool,
}

pub(super) fn read(api: Api, members: &Members<'_>) -> Result<Tools> {
    let mut tools = Tools::default();
    match api {
        Api::Chat => {
            tools.take_all(api, members)?;
            for function in list_of(members, "functions")? {
                tools.take(name(&object_of(function)?)?);
            }
            tools.take_member(members, "web_search_options", "web_search");
        }
        Api::Responses => {
            tools.take_all(api, members)?;
            // An item of the conversation can bring further tools.
            for item in members.get("input").and_then(list).unwrap_or_default() {
                let Some(item) = Members::of(item) else { continue };
                if item.get("type").and_then(text).as_deref() != Some("mcp_list_tools") {
                    tools.take_all(api, &item)?;
                }
            }
        }
        Api::Messages => {
            tools.take_all(api, members)?;
            tools.take_member(members, "container", "container");
            tools.take_member(members, "mcp_servers", "mcp");
        }
        Api::OllamaChat => tools.take_all(api, members)?,
        Api::Embeddings | Api::Models | Api::Generate => {}
    }
    Ok(tools)
}

impl Tools {
    fn take(&mut self, name: String) {
        if !self.names.contains(&name) {
            self.names.push(name);
        }
    }

    fn take_at_the_model(&mut self, name: String) {
        self.at_the_model = true;
        self.take(name);
    }

    /// A member of the request that is a tool at the model's side, unless it is an empty list.
    fn take_member(&mut self, members: &Members<'_>, member: &str, name: &str) {
        if members.get(member).is_some_and(|value| list(value).is_none_or(|list| !list.is_empty())) {
            self.take_at_the_model(name.to_owned());
        }
    }

    /// Everything in `tools`.
    fn take_all(&mut self, api: Api, members: &Members<'_>) -> Result<()> {
        for tool in list_of(members, "tools")? {
            let tool = object_of(tool)?;
            let kind = tool.get("type").map(|kind| text(kind).filter(|kind| is_name(kind)).ok_or_else(unreadable));
            match (api, kind.transpose()?.as_deref()) {
                // Whatever type it has there, a tool is a function.
                (Api::OllamaChat, _) | (Api::Chat, Some("function")) => self.take(inner_name(&tool, "function")?),
                (Api::Chat, Some("custom")) => self.take(inner_name(&tool, "custom")?),
                (Api::Responses, Some("function" | "custom")) | (Api::Messages, None | Some("custom")) => {
                    self.take(name(&tool)?);
                }
                (Api::Responses, Some("namespace")) => self.take_all(api, &tool)?,
                (_, Some(kind)) => self.take_at_the_model(kind.to_owned()),
                (_, None) => return Err(unreadable()),
            }
        }
        Ok(())
    }
}

fn list_of<'a>(members: &Members<'a>, name: &str) -> Result<Vec<&'a str>> {
    let Some(value) = members.get(name) else { return Ok(Vec::new()) };
    list(value).ok_or_else(|| Problem::malformed(format!("{name:?} is not a list")))
}

fn object_of(tool: &str) -> Result<Members<'_>> {
    Members::of(tool).filter(Members::is_plain).ok_or_else(unreadable)
}

fn inner_name(tool: &Members<'_>, member: &str) -> Result<String> {
    name(&object(tool, member)?.ok_or_else(unreadable)?)
}

fn name(tool: &Members<'_>) -> Result<String> {
    tool.get("name").and_then(text).filter(|name| is_name(name)).ok_or_else(unreadable)
}

fn unreadable() -> Problem {
    Problem::malformed("a tool is not an object with a type and a name, its members in small letters")
}
