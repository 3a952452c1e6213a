//! What an approver is sent by whoever asks for an approval, and what it answers: bodies of an ordinary call.

use crate::base64;
use crate::json::Members;
use crate::rights::approval::ApprovedCall;
use serde::Deserialize;
use std::borrow::Cow;

/// The body of a call that asks for an approval of another call, as JSON. `chain` is on whose behalf the caller acts.
#[must_use]
pub fn approval_request<'a>(call: &ApprovedCall<'_>, chain: impl IntoIterator<Item = &'a str>) -> String {
    let chain: Vec<_> = chain.into_iter().collect();
    let mut request = Members::new();
    request.text("caller", call.caller.as_str());
    if let Some(method) = call.method {
        request.text("method", method);
    }
    if let Some(session) = &call.session {
        request.text("session", &session.text());
    }
    request.text("contentType", call.content_type);
    request.text("body", &base64::encode(call.body));
    request.raw("chain", &serde_json::to_string(&chain).unwrap_or_else(|_| "[]".to_owned()));
    format!(r#"{{"approvalRequest":{}}}"#, request.finish())
}

/// The statement in an approver's answer, if there is one.
#[must_use]
pub fn approval_in(answer: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        approval: Cow<'a, str>,
    }
    let answer = answer.trim_ascii_start();
    let object = answer.starts_with('{').then(|| serde_json::from_str::<Answer<'_>>(answer).ok()).flatten()?;
    Some(object.approval.into_owned())
}
