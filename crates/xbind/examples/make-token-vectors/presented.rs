//! What is presented, well formed and not.

use super::forge::*;
use serde_json::{Value, json};
use xbind::rights::MAX_APPROVAL_BYTES;
use xbind::rights::MAX_DELEGATION_BYTES;

fn taken(name: &str, why: &str, text: String, token: Option<&str>, approval: Option<&str>) -> Value {
    let mut case = json!({ "name": name, "why": why, "expect": "accept", "text": text });
    if let Some(token) = token {
        case["token"] = json!(token);
    }
    if let Some(approval) = approval {
        case["approval"] = json!(approval);
    }
    case
}

pub fn cases() -> Vec<Value> {
    let token = &token();
    let approval = &super::statements::approved();
    let no = |name: &str, why: &str, text: String| json!({ "name": name, "why": why, "expect": "reject", "code": "INVALID_TOKEN", "text": text });
    let part = |len: usize| format!("{}.b.c", "a".repeat(len - 4));
    let (longest, longest_approval) = (part(MAX_DELEGATION_BYTES), part(MAX_APPROVAL_BYTES));
    let mut cases = vec![
        taken("token", "a token alone", token.clone(), Some(token), None),
        taken("both", "a token and an approval", format!("{token}~{approval}"), Some(token), Some(approval)),
        taken("approval", "an approval alone", format!("~{approval}"), None, Some(approval)),
        taken(
            "form-only",
            "what the parts say is not looked at",
            "a.b.c~d.e.f".to_owned(),
            Some("a.b.c"),
            Some("d.e.f"),
        ),
        taken(
            "longest",
            "64 KiB and 4096 bytes",
            format!("{longest}~{longest_approval}"),
            Some(&longest),
            Some(&longest_approval),
        ),
        no("token-too-long", "64 KiB at most", part(MAX_DELEGATION_BYTES + 1)),
        no("approval-too-long", "4096 bytes at most", format!("~{}", part(MAX_APPROVAL_BYTES + 1))),
        no("empty", "something must be presented", String::new()),
        no("tilde", "something must be presented", "~".to_owned()),
        no("approval-empty", "behind the tilde stands an approval", format!("{token}~")),
        no("two-tildes", "one tilde", format!("{token}~{approval}~")),
        no("two-approvals", "one approval", format!("{token}~{approval}~{approval}")),
        no("tilde-before", "one tilde", format!("~{token}~{approval}")),
        no("tildes-between", "one tilde", format!("{token}~~{approval}")),
        no("tilde-and-garbage", "one tilde", format!("{token}~x~garbage")),
        no("approval-no-jws", "three segments", format!("{token}~x")),
        no("token-no-jws", "three segments", "x".to_owned()),
        no("two-segments", "three segments", "a.b".to_owned()),
        no("four-segments", "three segments", "a.b.c.d".to_owned()),
        no("segment-empty", "no segment is empty", "a..c".to_owned()),
        no("signature-empty", "no segment is empty", "a.b.".to_owned()),
        no("percent", "base64url characters", format!("{token}%7E{approval}")),
    ];
    for (name, character) in [
        ("space", " "),
        ("tab", "\t"),
        ("line", "\n"),
        ("nul", "\0"),
        ("padding", "="),
        ("plus", "+"),
        ("slash", "/"),
        ("comma", ","),
        ("letter-beyond-ascii", "é"),
        ("tilde-operator", "\u{223c}"),
        ("zero-width", "\u{200b}"),
    ] {
        cases.push(no(&format!("{name}-before"), "base64url characters", format!("{character}{token}")));
        cases.push(no(&format!("{name}-behind"), "base64url characters", format!("{token}{character}")));
        cases.push(no(
            &format!("{name}-in-approval"),
            "base64url characters",
            format!("{token}~{approval}{character}"),
        ));
    }
    cases
}
