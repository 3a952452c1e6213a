use super::*;

const SAME: Terms<'static> =
    Terms { model: "m", limit: 1 << 31, limit_member: LimitMember::MaxCompletionTokens, adds_usage: true };

fn sent(api: Api, body: &str, terms: &Terms<'_>) -> String {
    let bytes = Bytes::copy_from_slice(body.as_bytes());
    let sent = forwarded(api, &bytes, &read(api, body), terms).unwrap();
    String::from_utf8(sent.to_vec()).unwrap()
}

#[test]
fn what_is_not_to_change_is_the_very_same() {
    for (api, more) in [
        (Api::Chat, " \"max_tokens\" : 5 ,\n\"seed\":1.50e1, \"stream\":false"),
        (Api::Chat, "\"max_completion_tokens\":5,\"stream\":true,\"stream_options\":{\"include_usage\":true}"),
        (Api::Responses, "\"max_output_tokens\":5,\"stream\":true"),
        (Api::Embeddings, ""),
        (Api::Messages, ""),
        (Api::Generate, "\"options\":{\"num_predict\":5}"),
        (Api::OllamaChat, "\"options\":{\"num_predict\":2147483648}"),
    ] {
        let body = Bytes::from(body(api, more));
        let asked = Asked::read(api, &body, &[]).unwrap();
        let sent = forwarded(api, &body, &asked, &SAME).unwrap();
        assert_eq!((sent.as_ptr(), sent.len()), (body.as_ptr(), body.len()), "{api:?}");
    }
}

#[test]
fn members_stay_in_their_order_as_they_were_written() {
    let body = "{ \"temperature\" : 1.0e0,\"messages\":[ {\"role\":\"user\",\"content\":\"\\u00e9\\/ \"}],\n\"mod\\u0065l\":\"m\", \"stop\":null }";
    let terms = Terms { model: "up/\"stream\"", limit: 100, ..SAME };
    assert_eq!(
        sent(Api::Chat, body, &terms),
        "{\"temperature\":1.0e0,\"messages\":[ {\"role\":\"user\",\"content\":\"\\u00e9\\/ \"}],\"model\":\"up/\\\"stream\\\"\",\"stop\":null,\"max_completion_tokens\":100}"
    );
}

#[test]
fn a_limit_is_put_in_and_never_raised() {
    let terms = Terms { limit: 100, ..SAME };
    for (api, more, end) in [
        (Api::Chat, "", ",\"max_completion_tokens\":100}"),
        (Api::Chat, "\"max_completion_tokens\":null,\"seed\":1", ",\"max_completion_tokens\":100,\"seed\":1}"),
        (Api::Chat, "\"max_tokens\":101", ",\"max_tokens\":100}"),
        (Api::Chat, "\"max_tokens\":99", ",\"max_tokens\":99}"),
        (
            Api::Chat,
            "\"max_tokens\":300,\"max_completion_tokens\":300",
            ",\"max_tokens\":100,\"max_completion_tokens\":100}",
        ),
        (Api::Responses, "", ",\"max_output_tokens\":100}"),
        (Api::Responses, "\"max_output_tokens\":5000", ",\"max_output_tokens\":100}"),
        (Api::Messages, "\"max_tokens\":5000,\"top_k\":1", ",\"max_tokens\":100,\"top_k\":1}"),
        (Api::Generate, "", ",\"options\":{\"num_predict\":100}}"),
        (Api::Generate, "\"options\":null", ",\"options\":{\"num_predict\":100}}"),
        (Api::Generate, "\"options\":{}", ",\"options\":{\"num_predict\":100}}"),
        (
            Api::OllamaChat,
            "\"options\":{\"num_predict\":200,\"seed\":1},\"stream\":false",
            ",\"options\":{\"num_predict\":100,\"seed\":1},\"stream\":false}",
        ),
        (Api::OllamaChat, "\"options\":{\"seed\": 1}", ",\"options\":{\"seed\":1,\"num_predict\":100}}"),
        (Api::Embeddings, "", "\"Hi\"}"),
    ] {
        let sent = sent(api, &body(api, more), &terms);
        assert!(sent.ends_with(end), "{api:?} {more}: {sent}");
    }
    let old = Terms { limit_member: LimitMember::MaxTokens, ..terms };
    assert!(sent(Api::Chat, &body(Api::Chat, ""), &old).ends_with(",\"max_tokens\":100}"));
}

#[test]
fn the_usage_of_a_streamed_chat_is_asked_for() {
    let terms = Terms { limit: 100, ..SAME };
    for (more, end) in [
        ("\"stream\":true", ",\"stream_options\":{\"include_usage\":true}}"),
        ("\"stream\":true,\"stream_options\":null", ",\"stream_options\":{\"include_usage\":true}}"),
        (
            "\"stream_options\":{\"include_usage\":false,\"include_obfuscation\":false},\"stream\":true",
            "\"stream_options\":{\"include_usage\":true,\"include_obfuscation\":false},\"stream\":true}",
        ),
        ("\"stream\":false", "\"stream\":false}"),
    ] {
        let body = body(Api::Chat, &format!("\"max_tokens\":1,{more}"));
        assert!(sent(Api::Chat, &body, &terms).ends_with(end), "{more}");
        assert_eq!(sent(Api::Chat, &body, &Terms { adds_usage: false, ..terms }), body);
    }
    let messages = body(Api::Messages, "\"stream\":true");
    assert_eq!(sent(Api::Messages, &messages, &terms), messages);
}

proptest! {
    #[test]
    fn what_is_sent_asks_for_what_was_allowed(
        api in prop::sample::select(ASKING.to_vec()),
        said in prop::option::of(1..400_u64), limit in 1..400_u64, model in "\\PC{1,20}", stream: bool, usage: bool,
    ) {
        let limit_of = |said: u64| match api {
            Api::Responses => format!("\"max_output_tokens\":{said}"),
            Api::Generate | Api::OllamaChat => format!("\"options\":{{\"top_k\":4,\"num_predict\":{said}}}"),
            Api::Chat | Api::Messages => format!("\"max_tokens\":{said}"),
            Api::Embeddings | Api::Models => String::new(),
        };
        let mut more: Vec<String> = said.into_iter().map(limit_of).filter(|member| !member.is_empty()).collect();
        if api != Api::Embeddings {
            more.push(format!("\"stream\":{stream}"));
        }
        let body = body(api, &more.join(","));
        let before = read(api, &body);
        let terms = Terms { model: &model, limit, adds_usage: usage, ..SAME };
        let after = read(api, &sent(api, &body, &terms));
        prop_assert_eq!(&after.model, &model);
        if api != Api::Embeddings {
            prop_assert_eq!(after.max_output, Some(before.max_output.unwrap_or(limit).min(limit)));
        }
        prop_assert_eq!(after.wants_usage, api == Api::Chat && stream && usage);
        let unchanged = Asked { model: before.model.clone(), max_output: before.max_output, wants_usage: before.wants_usage, ..after };
        prop_assert_eq!(unchanged, before);
    }
}
