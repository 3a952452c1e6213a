//! The signature base: what a signature covers, line by line (RFC 9421 sections 2 and 2.5).

use std::borrow::Cow;

use super::message::{Request, Response, malformed};
use super::sfv::{self, Bare, InnerList, Item};
use super::{MAX_COMPONENTS, MAX_STRUCTURED_BYTES};
use crate::error::{Error, ErrorKind, Result};

/// What is signed: a request, or a response and the request that it answers.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// A request.
    Request(&'a Request<'a>),
    /// A response to that request.
    Response(&'a Response<'a>, &'a Request<'a>),
}

/// A part of a message that a signature covers (section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Component<'a> {
    pub(crate) name: Cow<'a, str>,
    /// Of the request that a response answers.
    pub(crate) req: bool,
    /// One member of a dictionary.
    pub(crate) key: Option<Cow<'a, str>>,
}

impl<'a> Component<'a> {
    pub(crate) const fn plain(name: &'a str) -> Self {
        Self { name: Cow::Borrowed(name), req: false, key: None }
    }

    fn read(item: &Item<'a>) -> Result<Self> {
        let Bare::String(name) = &item.value else { return Err(malformed("a covered component is not a string")) };
        if name.is_empty() || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(malformed("the name of a covered component is not in lower case"));
        }
        let mut component = Self { name: name.clone(), req: false, key: None };
        for (parameter, value) in &item.parameters {
            match (*parameter, value) {
                ("req", Bare::Boolean(true)) => component.req = true,
                ("key", Bare::String(key)) => component.key = Some(key.clone()),
                _ => return Err(malformed(format!("a covered component with the parameter {parameter}"))),
            }
        }
        Ok(component)
    }

    /// Its name; of one member, also which.
    pub(crate) fn shown(&self) -> String {
        let mut shown = self.name.clone().into_owned();
        if let Some(key) = &self.key {
            shown.push_str(";key=");
            sfv::write_string(&mut shown, key);
        }
        shown
    }

    /// The item that names it.
    pub(crate) fn to_item(&self) -> Item<'a> {
        let mut parameters = Vec::new();
        if self.req {
            parameters.push(("req", Bare::Boolean(true)));
        }
        if let Some(key) = &self.key {
            parameters.push(("key", Bare::String(key.clone())));
        }
        Item { value: Bare::String(self.name.clone()), parameters }
    }
}

/// The components that an inner list names: each once.
pub(crate) fn components<'a>(list: &InnerList<'a>) -> Result<Vec<Component<'a>>> {
    if list.items.len() > MAX_COMPONENTS {
        return Err(malformed(format!("a signature of more than {MAX_COMPONENTS} components")));
    }
    let mut components = Vec::with_capacity(list.items.len());
    for item in &list.items {
        let component = Component::read(item)?;
        if components.contains(&component) {
            return Err(malformed(format!("the component {} is covered twice", component.name)));
        }
        components.push(component);
    }
    Ok(components)
}

/// The signature base of a message for `list`, which is what a dictionary `Signature-Input` holds.
///
/// # Errors
/// `MALFORMED_MESSAGE` for components that nobody can make out, `INVALID_SIGNATURE` for fields that are not there.
pub fn signature_base(message: Message<'_>, list: &InnerList<'_>) -> Result<String> {
    let components = components(list)?;
    base_of(message, list, &components)
}

pub(crate) fn base_of(message: Message<'_>, list: &InnerList<'_>, components: &[Component<'_>]) -> Result<String> {
    let mut base = String::with_capacity(1024);
    for (item, component) in list.items.iter().zip(components) {
        sfv::write_item(&mut base, item);
        base.push_str(": ");
        write_value(&mut base, message, component)?;
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    sfv::write_list(&mut base, list);
    Ok(base)
}

pub(super) fn write_value(out: &mut String, message: Message<'_>, component: &Component<'_>) -> Result<()> {
    let (request, response) = match (message, component.req) {
        (Message::Request(request), false) | (Message::Response(_, request), true) => (Some(request), None),
        (Message::Response(response, _), false) => (None, Some(response)),
        (Message::Request(_), true) => return Err(malformed("a request that covers parts of a request before it")),
    };
    if component.name.starts_with('@') {
        return if component.key.is_some() {
            Err(malformed("a key of what is no field"))
        } else {
            write_derived(out, &component.name, request, response)
        };
    }
    let fields = match (request, response) {
        (Some(request), _) => request.fields,
        (None, Some(response)) => response.fields,
        (None, None) => return Err(malformed("a component of no message")),
    };
    let value = fields.joined(&component.name)?.ok_or_else(|| missing(&component.name))?;
    match &component.key {
        None => out.push_str(&value),
        Some(key) => {
            if value.len() > MAX_STRUCTURED_BYTES {
                return Err(malformed(format!("the dictionary {} is too long", component.name)));
            }
            let dictionary = sfv::dictionary(&value)
                .ok_or_else(|| malformed(format!("the field {} is no dictionary", component.name)))?;
            let member = dictionary.iter().find(|(other, _)| other == key).map(|(_, member)| member);
            sfv::write_member(out, member.ok_or_else(|| missing(&component.name))?);
        }
    }
    Ok(())
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::InvalidSignature, format!("the signature covers {name}, which is not there"))
}

fn write_derived(
    out: &mut String,
    name: &str,
    request: Option<&Request<'_>>,
    response: Option<&Response<'_>>,
) -> Result<()> {
    match (name, request, response) {
        ("@method", Some(request), _) => out.push_str(request.method),
        ("@authority", Some(request), _) => request.authority.write(out),
        ("@scheme", Some(request), _) => out.push_str(request.scheme.as_str()),
        ("@target-uri", Some(request), _) => {
            out.push_str(request.scheme.as_str());
            out.push_str("://");
            request.authority.write(out);
            out.push_str(request.target.text);
        }
        ("@request-target", Some(request), _) => out.push_str(request.target.text),
        ("@path", Some(request), _) => out.push_str(request.target.path),
        ("@query", Some(request), _) => {
            out.push('?');
            out.push_str(request.target.query.unwrap_or_default());
        }
        ("@status", _, Some(response)) => out.push_str(&response.status.to_string()),
        _ => return Err(malformed(format!("there is no component {name} of this message"))),
    }
    Ok(())
}
