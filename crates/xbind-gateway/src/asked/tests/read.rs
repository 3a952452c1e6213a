use super::members::quoted;
use super::*;

#[test]
fn the_usual_requests_are_read() {
    let chat = read(
        Api::Chat,
        r#"{"model":"gpt-4o","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"Hi"}]},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"weather","arguments":"{}"}}]},
        {"role":"tool","tool_call_id":"c","content":"Rain"}],"temperature":0.2,"n":2,"stream":true,"stream_options":{"include_usage":true},
        "max_completion_tokens":300,"max_tokens":null,"service_tier":"auto","modalities":["text"],"store":true,
        "tools":[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"City":{"type":"string"}}}}},
        {"type":"custom","custom":{"name":"sql"}},{"type":"function","function":{"name":"weather"}}],"functions":[{"name":"old"}]}"#,
    );
    assert_eq!(chat.model, "gpt-4o");
    assert!(chat.stream && chat.wants_usage && chat.is_text);
    assert_eq!((chat.max_output, chat.answers), (Some(300), 2));
    assert_eq!(chat.tools, ["weather", "sql", "old"]);
    let responses = read(
        Api::Responses,
        r#"{"model":"gpt-5","instructions":"Be brief.","input":[{"role":"user","content":"Hi"},{"type":"reasoning","summary":[]},
        {"type":"message","role":"assistant","content":[{"type":"output_text","text":"Ho"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},
        {"type":"function_call_output","call_id":"c","output":"1"}],"max_output_tokens":1000,"background":false,"store":false,
        "tools":[{"type":"function","name":"f","parameters":{}},{"type":"namespace","name":"crm","description":"","tools":[{"type":"function","name":"g"}]}]}"#,
    );
    assert!(!responses.stream && responses.is_text);
    assert_eq!((responses.max_output, responses.answers), (Some(1000), 1));
    assert_eq!(responses.tools, ["f", "g"]);
    let messages = read(
        Api::Messages,
        r#"{"model":"claude-sonnet-5","max_tokens":4096,"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],
        "thinking":{"type":"enabled","budget_tokens":2000},"messages":[{"role":"user","content":[{"type":"text","text":"Hi"},
        {"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"Rain"}]}]}],"metadata":{"user_id":"u"},
        "tools":[{"name":"weather","input_schema":{"type":"object"}},{"type":"custom","name":"sql","input_schema":{}}],"mcp_servers":[]}"#,
    );
    assert!(messages.is_text);
    assert_eq!((messages.max_output, messages.tools), (Some(4096), vec!["weather".to_owned(), "sql".to_owned()]));
    let generate = read(
        Api::Generate,
        r#"{"model":"llama3.2","prompt":"Hi","raw":true,"keep_alive":"5m","format":"json","think":"high","images":[],"options":{"num_predict":50,"num_ctx":8192}}"#,
    );
    assert!(generate.stream && generate.is_text);
    assert_eq!(generate.max_output, Some(50));
    let chat = read(
        Api::OllamaChat,
        r#"{"model":"llama3.2","stream":false,"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}"#,
    );
    assert!(!chat.stream && chat.is_text);
    assert_eq!(chat.tools, ["f"]);
    assert!(read(Api::OllamaChat, &body(Api::OllamaChat, "\"stream\":null")).stream);
    assert!(!read(Api::Chat, &body(Api::Chat, "\"stream\":null")).stream);
}

#[test]
fn what_is_not_strict_json_is_refused() {
    for bytes in [b"\xff".as_slice(), b"{\"model\":\"\xc0\x80\"}", b"\xef\xbb\xbf{\"model\":\"m\"}"] {
        assert!(Asked::read(Api::Chat, bytes, &[]).is_err());
    }
    // The schema of a tool begins on the fifth level.
    let deep = |levels: usize| {
        let schema = ["{\"a\":".repeat(levels - 5), "{}".to_owned(), "}".repeat(levels - 5)].concat();
        let function = format!("{{\"name\":\"f\",\"parameters\":{schema}}}");
        body(Api::Chat, &format!("\"tools\":[{{\"type\":\"function\",\"function\":{function}}}]"))
    };
    assert_eq!(read(Api::Chat, &deep(64)).tools, ["f"]);
    refused(Api::Chat, &deep(65));
    refused(Api::Chat, &deep(100_000));
    let chat = |more| body(Api::Chat, more);
    for body in [
        String::new(),
        "null".into(),
        "[]".into(),
        "\"x\"".into(),
        chat("") + "{}",
        chat("\"stop\":\"\\ud800\""),
        chat("\"seed\":1e999"),
        chat("\"seed\":NaN"),
        chat("\"seed\":01"),
        chat("\"model\":\"m\""),
        chat("\"\\u006dodel\":\"other\""),
        chat("\"metadata\":{\"a\":1,\"a\":2}"),
        chat("\"metadata\":{\"a\":[{\"b\":1,\"\\u0062\":2}]}"),
        chat("\"stop\":\"\n\""),
        chat("\"stop\":[1,]"),
    ] {
        let detail = refused(Api::Chat, &body);
        assert!(detail.contains("one JSON object"), "{body}: {detail}");
    }
}

#[test]
fn a_member_that_is_not_known_is_named() {
    for api in ASKING {
        for name in [
            "models",
            "fallbacks",
            "route",
            "provider",
            "api_base",
            "base_url",
            "api_key",
            "extra_body",
            "user_config",
            "prediction",
            "Model",
            "MODEL",
            "x-\u{7f}",
        ] {
            let body = body(api, &format!("{}:[]", quoted(name)));
            assert_eq!(
                refused(api, &body),
                format!("the member {name:?} is not known here; the operator can allow {name:?}"),
                "{api:?}"
            );
        }
    }
    let long = refused(Api::Chat, &body(Api::Chat, &format!("\"{}\":1", "x".repeat(100_000))));
    assert!(long.len() < 300 && long.contains('…'));
    // What the operator allows is passed on, but nobody knows what it makes the model read.
    let asked = read_with(Api::Chat, &body(Api::Chat, "\"top_k\":3"), &["top_k"]).unwrap();
    assert!(!asked.is_text);
    // What is `model` to a parser that looks at no case is never allowed.
    for name in ["Model", "MAX_TOKENS", "max_to\u{212a}ens", "\u{17f}tream"] {
        let body = body(Api::Chat, &format!("\"{name}\":1"));
        assert!(read_with(Api::Chat, &body, &[name]).is_err(), "{name}");
    }
    let gpus = body(Api::Generate, "\"options\":{\"num_gpu\":1}");
    assert!(refused(Api::Generate, &gpus).ends_with("can allow \"options.num_gpu\""));
    assert!(read_with(Api::Generate, &gpus, &["options.num_gpu"]).is_ok());
    refused(Api::Generate, &body(Api::Generate, "\"options\":{\"Num_predict\":1}"));
}

#[test]
fn models_are_compared_as_they_are() {
    for (written, model) in [
        ("gpt-4o", "gpt-4o"),
        ("g\\u0070t-4o", "gpt-4o"),
        ("GPT-4o", "GPT-4o"),
        ("gрt-4o", "gрt-4o"), // a Cyrillic letter
        ("gpt-4o ", "gpt-4o "),
        ("gpt-4o\u{200b}", "gpt-4o\u{200b}"),
        ("e\u{301}", "e\u{301}"),
        ("a/b:c@d\\\\", "a/b:c@d\\"),
    ] {
        assert_eq!(read(Api::Embeddings, &format!("{{\"model\":\"{written}\",\"input\":\"\"}}")).model, model);
    }
    let long = |len: usize| format!("\"{}\"", "m".repeat(len));
    assert_eq!(read(Api::Embeddings, &format!("{{\"model\":{},\"input\":\"\"}}", long(256))).model.len(), 256);
    for model in
        ["\"\"", "null", "1", "[\"m\"]", "{}", "\"a\\u0000\"", "\"a\\n\"", "\"\\u007f\"", "\"\\u0085\"", &long(257)]
    {
        let detail = refused(Api::Embeddings, &format!("{{\"model\":{model},\"input\":\"\"}}"));
        assert!(detail.starts_with("\"model\" is not"), "{model}");
    }
    assert!(refused(Api::Embeddings, "{\"input\":\"\"}").starts_with("\"model\" is not"));
}

#[test]
fn counts_are_whole_and_bounded() {
    let bad = [
        "0",
        "-1",
        "-2",
        "1.0",
        "0.5",
        "1e3",
        "2147483649",
        "99999999999999999999999",
        "\"100\"",
        "true",
        "[]",
        "{}",
        "-0",
    ];
    for (api, members) in [
        (Api::Chat, ["\"max_tokens\":#", "\"max_completion_tokens\":#"].as_slice()),
        (Api::Responses, &["\"max_output_tokens\":#"]),
        (Api::Messages, &["\"max_tokens\":#"]),
        (Api::Generate, &["\"options\":{\"num_predict\":#}", "\"options\":{\"num_ctx\":#}"]),
        (Api::OllamaChat, &["\"options\":{\"num_predict\":#}"]),
    ] {
        for member in members {
            for count in bad {
                let detail = refused(api, &body(api, &member.replace('#', count)));
                assert!(detail.ends_with("is not a whole number from 1 to 2147483648"), "{detail}");
            }
            read(api, &body(api, &member.replace('#', "1")));
            read(api, &body(api, &member.replace('#', "2147483648")));
        }
    }
    for count in bad.into_iter().chain(["129", "1000000000"]) {
        for name in ["n", "best_of"] {
            let detail = refused(Api::Chat, &body(Api::Chat, &format!("\"{name}\":{count}")));
            assert!(detail.ends_with("is not a whole number from 1 to 128"), "{detail}");
        }
    }
    assert_eq!(read(Api::Chat, &body(Api::Chat, "\"n\":3,\"best_of\":128")).answers, 128);
    assert_eq!(read(Api::Chat, &body(Api::Chat, "\"n\":null")).answers, 1);
    let both =
        |one: &str, other: &str| body(Api::Chat, &format!("\"max_tokens\":{one},\"max_completion_tokens\":{other}"));
    assert_eq!(read(Api::Chat, &both("7", "7")).max_output, Some(7));
    assert_eq!(read(Api::Chat, &both("null", "7")).max_output, Some(7));
    refused(Api::Chat, &both("7", "8"));
    assert_eq!(refused(Api::Messages, &body(Api::Messages, "\"max_tokens\":null")), "\"max_tokens\" is missing");
    assert_eq!(read(Api::Chat, &body(Api::Chat, "")).max_output, None);
}

#[test]
fn what_has_another_price_or_no_end_is_refused() {
    for (api, name, value) in [
        (Api::Chat, "service_tier", "\"priority\""),
        (Api::Chat, "service_tier", "\"flex\""),
        (Api::Chat, "service_tier", "\"AUTO\""),
        (Api::Chat, "service_tier", "7"),
        (Api::Chat, "modalities", "[\"text\",\"audio\"]"),
        (Api::Responses, "service_tier", "\"ultrafast\""),
        (Api::Messages, "speed", "\"fast\""),
        (Api::Messages, "inference_geo", "\"us\""),
        (Api::Messages, "service_tier", "\"priority\""),
    ] {
        let body = body(api, &format!("\"{name}\":{value}"));
        assert!(
            refused(api, &body).ends_with(&format!("has another price; the operator can allow {name:?}")),
            "{body}"
        );
        assert!(read_with(api, &body, &[name]).unwrap().is_text, "{body}");
    }
    read(
        Api::Messages,
        &body(Api::Messages, "\"service_tier\":\"standard_only\",\"speed\":\"standard\",\"inference_geo\":null"),
    );
    assert!(read_with(Api::Responses, &body(Api::Responses, "\"background\":true"), &["background"]).is_err());
    for (api, member) in [
        (Api::Chat, "\"stream\":\"true\""),
        (Api::Chat, "\"stream\":1"),
        (Api::Chat, "\"stream_options\":[]"),
        (Api::Chat, "\"stream_options\":{\"include_usage\":1}"),
        (Api::Chat, "\"stream_options\":{\"Include_usage\":true}"),
        (Api::Chat, "\"tools\":{}"),
        (Api::Generate, "\"options\":[]"),
        (Api::Responses, "\"background\":\"yes\""),
    ] {
        refused(api, &body(api, member));
    }
    refused(Api::Chat, "{\"model\":\"m\"}");
    refused(Api::Messages, "{\"model\":\"m\",\"max_tokens\":1,\"messages\":\"Hi\"}");
}

#[test]
fn tools_are_known_by_what_runs_them() {
    for (api, members, names) in [
        (Api::Chat, r#""web_search_options":{}"#, ["web_search"].as_slice()),
        (Api::Chat, r#""tools":[{"type":"mcp","function":{"name":"f"}}]"#, &["mcp"]),
        (
            Api::Responses,
            r#""tools":[{"type":"web_search"},{"type":"mcp","server_url":"https://x"},{"type":"code_interpreter"},{"type":"file_search"},{"type":"computer_use_preview"},{"type":"function","name":"f"}]"#,
            &["web_search", "mcp", "code_interpreter", "file_search", "computer_use_preview", "f"],
        ),
        (
            Api::Messages,
            r#""tools":[{"type":"web_search_20250305","name":"web_search"},{"name":"f","input_schema":{}}]"#,
            &["web_search_20250305", "f"],
        ),
        (Api::Messages, r#""mcp_servers":[{"type":"url","url":"https://x","name":"x"}]"#, &["mcp"]),
        (Api::Messages, r#""container":"c_1""#, &["container"]),
    ] {
        let asked = read(api, &body(api, members));
        assert_eq!(asked.tools, names, "{members}");
        assert!(!asked.is_text, "{members}");
    }
    for kind in ["additional_tools", "tool_search_output"] {
        let items = format!(
            r#"{{"model":"m","input":[{{"type":"{kind}","tools":[{{"type":"mcp"}},{{"type":"function","name":"f"}}]}}]}}"#
        );
        assert_eq!(read(Api::Responses, &items).tools, ["mcp", "f"]);
    }
    for (api, tool) in [
        (Api::Chat, "1"),
        (Api::Chat, "{}"),
        (Api::Chat, r#"{"function":{"name":"f"}}"#),
        (Api::Chat, r#"{"type":"function"}"#),
        (Api::Chat, r#"{"type":"function","name":"f"}"#),
        (Api::Chat, r#"{"type":"function","function":{"name":""}}"#),
        (Api::Chat, r#"{"type":"function","function":{"name":"f\u0000"}}"#),
        (Api::Chat, r#"{"type":1,"function":{"name":"f"}}"#),
        (Api::Chat, r#"{"type":""}"#),
        (Api::Responses, r#"{"name":"f"}"#),
        (Api::Messages, r#"{"type":"custom"}"#),
        // Servers that look at no case would take the other one.
        (Api::OllamaChat, r#"{"type":"function","function":{"name":"f","Name":"g"}}"#),
        (Api::OllamaChat, r#"{"type":"function","function":{"name":"f"},"FUNCTION":{"name":"g"}}"#),
        (Api::OllamaChat, r#"{"type":"mcp"}"#),
    ] {
        refused(api, &body(api, &format!("\"tools\":[{tool}]")));
    }
}

#[test]
fn what_is_not_in_the_body_is_as_long_as_the_model_takes() {
    for (api, name, value) in [
        (
            Api::Chat,
            "messages",
            r#"[{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":"https://x"}}]}]"#,
        ),
        (Api::Chat, "messages", r#"[{"role":"user","content":[{"type":"text","text":"x","image_url":"https://x"}]}]"#),
        (Api::Chat, "messages", r#"[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]"#),
        (Api::Chat, "messages", r#"[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]"#),
        (Api::Chat, "messages", r#"[{"role":"assistant","audio":{"id":"a"}}]"#),
        (Api::Chat, "messages", r#"[{"role":"user","content":"x","Content":[{"type":"image_url"}]}]"#),
        (Api::Chat, "messages", r#"["x"]"#),
        (Api::Responses, "input", r#"[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]"#),
        (Api::Responses, "input", r#"[{"type":"item_reference","id":"i"}]"#),
        (Api::Responses, "input", r#"[{"id":"i"}]"#),
        (Api::Responses, "input", r#"[{"role":"user","content":"x","Content":[{"type":"input_image"}]}]"#),
        (Api::Responses, "input", r#"[{"type":"compaction","encrypted_content":"x"}]"#),
        (Api::Responses, "previous_response_id", r#""r""#),
        (Api::Responses, "conversation", r#"{"id":"c"}"#),
        (Api::Embeddings, "input", r#"[{"image":"x"}]"#),
        (
            Api::Messages,
            "messages",
            r#"[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]"#,
        ),
        (
            Api::Messages,
            "messages",
            r#"[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]"#,
        ),
        (
            Api::Messages,
            "messages",
            r#"[{"role":"user","content":[{"type":"tool_result","content":[{"type":"image"}]}]}]"#,
        ),
        (Api::Messages, "system", r#"[{"type":"document"}]"#),
        (Api::Generate, "images", r#"["x"]"#),
        (Api::Generate, "context", "[1,2]"),
        (Api::Generate, "template", r#""{{ .Prompt }}{{ .Prompt }}""#),
        (Api::OllamaChat, "messages", r#"[{"role":"user","content":"x","images":["x"]}]"#),
        (Api::OllamaChat, "messages", r#"[{"role":"user","content":"x","Image\u017f":["x"]}]"#),
    ] {
        let further = match (api, name) {
            (Api::Messages, "messages") => ",\"max_tokens\":1",
            (Api::Messages, _) => ",\"max_tokens\":1,\"messages\":[]",
            _ => "",
        };
        let body = format!("{{\"model\":\"m\",\"{name}\":{value}{further}}}");
        let asked = read(api, &body);
        assert!(!asked.is_text, "{body}");
        assert_eq!(asked.most_input(body.len(), 100_000), 100_000);
    }
    let asked = read(Api::Chat, &body(Api::Chat, ""));
    assert_eq!((asked.most_input(1000, 100_000), asked.most_input(200_000, 100_000)), (2024, 100_000));
    assert_eq!(asked.most_input(usize::MAX, u64::MAX), u64::MAX);
    // Each input of a list may be as long as the model takes.
    for (input, inputs) in [("[\"a\",\"b\",\"c\"]", 3), ("[[1,2],[3]]", 2), ("[1,2,3]", 1), ("\"a\"", 1), ("[]", 1)] {
        let asked = read(Api::Embeddings, &format!("{{\"model\":\"m\",\"input\":{input}}}"));
        assert!(asked.is_text);
        assert_eq!((asked.inputs, asked.most_input(100_000, 512)), (inputs, 512 * inputs), "{input}");
    }
    let wide = read(Api::Generate, &body(Api::Generate, "\"images\":[\"x\"],\"options\":{\"num_ctx\":50000}"));
    assert_eq!(wide.most_input(100, 8192), 50_000);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200), api in prop::sample::select(Api::ALL.to_vec())) {
        let _ = Asked::read(api, &bytes, &[]);
    }

    #[test]
    fn any_value_of_any_member_is_read_or_refused(
        api in prop::sample::select(ASKING.to_vec()),
        at: prop::sample::Index,
        value in prop::sample::select(vec!["null", "0", "-1", "1", "1e9", "\"\"", "\"x\"", "[]", "[1]", "[[]]", "[{}]", "{}", "true", "[null]", "{\"a\":{}}", "[{\"type\":\"x\",\"content\":[0]}]"]),
    ) {
        let name = at.get(table::members(api));
        let body = format!("{{\"model\":\"m\",\"{name}\":{value}}}");
        for body in [body, format!("{{\"{name}\":{value},\"messages\":[],\"max_tokens\":1,\"input\":1,\"prompt\":2}}")] {
            let _ = Asked::read(api, body.as_bytes(), &[]);
        }
    }
}
