//! Which models there are for somebody, in the shape that clients of OpenAI's and of Anthropic's API read.

use std::collections::BTreeMap;

use serde_json::json;

use crate::config::Model;

/// Those that he may use.
pub(crate) fn list(models: &BTreeMap<String, Model>, is_granted: impl Fn(&str) -> bool) -> String {
    let granted: Vec<&String> =
        models.iter().filter(|(_, model)| is_granted(&model.scope)).map(|(name, _)| name).collect();
    let row = |name: &&String| {
        json!({
            "id": name, "object": "model", "created": 0, "owned_by": "gateway",
            "type": "model", "display_name": name, "created_at": "1970-01-01T00:00:00Z",
        })
    };
    json!({
        "object": "list",
        "data": granted.iter().map(row).collect::<Vec<_>>(),
        "first_id": granted.first(),
        "last_id": granted.last(),
        "has_more": false,
    })
    .to_string()
}
