use hyper::body::Bytes;
use proptest::prelude::*;

use super::*;

mod read;
mod sent;

/// Reads it, with what the operator allows besides.
fn read_with(api: Api, body: &str, also: &[&str]) -> Result<Asked> {
    let also: Vec<String> = also.iter().map(|name| (*name).to_owned()).collect();
    Asked::read(api, body.as_bytes(), &also)
}

fn read(api: Api, body: &str) -> Asked {
    read_with(api, body, &[]).unwrap_or_else(|problem| panic!("{body}: {}", problem.detail()))
}

/// What it is refused with.
fn refused(api: Api, body: &str) -> String {
    let problem = read_with(api, body, &[]).expect_err(body);
    assert_eq!(problem.kind().status(), 400, "{body}");
    problem.detail().to_owned()
}

/// A body of that API with further members.
fn body(api: Api, more: &str) -> String {
    let start = match api {
        Api::Chat => r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]"#,
        Api::Responses => r#"{"model":"m","input":"Hi""#,
        Api::Embeddings => r#"{"model":"m","input":"Hi""#,
        Api::Messages if more.contains("\"max_tokens\"") => {
            r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]"#
        }
        Api::Messages => r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]"#,
        Api::Generate => r#"{"model":"m","prompt":"Hi""#,
        Api::OllamaChat | Api::Models => r#"{"model":"m","messages":[{"role":"user","content":"Hi"}]"#,
    };
    let comma = if more.is_empty() { "" } else { "," };
    format!("{start}{comma}{more}}}")
}

/// Those that have a body.
const ASKING: [Api; 6] = [Api::Chat, Api::Responses, Api::Embeddings, Api::Messages, Api::Generate, Api::OllamaChat];
