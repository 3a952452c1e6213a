use hyper::body::Bytes;
use proptest::prelude::*;

use super::*;

const CHAT: &str = concat!(
    ": ready\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Héllo\"},\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
    "data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10,\"total_tokens\":29,",
    "\"prompt_tokens_details\":{\"cached_tokens\":8,\"audio_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}}\n\n",
    "data: [DONE]\n\n",
);
const MESSAGES: &str = concat!(
    "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"content\":[],\"stop_reason\":null,",
    "\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":40,\"output_tokens\":1}}}\n\n",
    "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
    "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
    "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":15}}\n\n",
    "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
);
const RESPONSES: &str = concat!(
    "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"status\":\"in_progress\",\"usage\":null}}\n\n",
    "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n",
    "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":\"completed\",\"usage\":",
    "{\"input_tokens\":36,\"input_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":6},\"output_tokens\":87,",
    "\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":123}}}\n\n",
);
const OLLAMA: &str = concat!(
    "{\"model\":\"llama3.2\",\"created_at\":\"2026-08-04T08:52:19Z\",\"message\":{\"role\":\"assistant\",\"content\":\"The\"},\"done\":false}\n",
    "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",",
    "\"total_duration\":4883583458,\"prompt_eval_count\":26,\"prompt_eval_duration\":1,\"eval_count\":282}\n",
);

const fn usage(input: u64, cached: u64, written: u64, output: u64) -> Option<Usage> {
    Some(Usage { input, cached, written, output })
}

/// What passes of the answer, cut like that, and its usage.
fn metered(api: Api, kind: Kind, hides: bool, answer: &[u8], cuts: &[usize]) -> (Vec<u8>, Option<Usage>) {
    let mut meter = Meter::new(api, kind, hides);
    let mut pass = Vec::new();
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(answer.len())).collect();
    cuts.sort_unstable();
    let mut from = 0;
    for cut in cuts.into_iter().chain([answer.len()]) {
        meter.take(Bytes::copy_from_slice(&answer[from..cut]), &mut pass);
        from = cut;
    }
    let usage = meter.end(&mut pass);
    (pass.concat(), usage)
}

fn told(api: Api, kind: Kind, answer: &str) -> Option<Usage> {
    let (bytes, usage) = metered(api, kind, false, answer.as_bytes(), &[]);
    assert_eq!(bytes, answer.as_bytes());
    usage
}

#[test]
fn streams_tell_their_usage_at_their_end() {
    for (api, kind, answer, expected) in [
        (Api::Chat, Kind::Events, CHAT, usage(19, 8, 0, 10)),
        (Api::Messages, Kind::Events, MESSAGES, usage(165, 40, 100, 15)),
        (Api::Responses, Kind::Events, RESPONSES, usage(36, 4, 6, 87)),
        (Api::OllamaChat, Kind::Lines, OLLAMA, usage(26, 0, 0, 282)),
        (Api::Generate, Kind::Lines, OLLAMA, usage(26, 0, 0, 282)),
    ] {
        assert_eq!(told(api, kind, answer), expected, "{api:?}");
        let last = answer.trim_end().rfind("\n").unwrap();
        let without_last = &answer[..answer[..last].trim_end().rfind('\n').map_or(0, |at| at + 1)];
        assert_eq!(told(api, kind, &without_last.replace("usage", "-")), None, "{api:?}");
    }
}

#[test]
fn a_stream_that_was_cut_has_no_usage() {
    let cut = |answer: &str, before: &str| answer[..answer.find(before).unwrap()].to_owned();
    assert_eq!(told(Api::Messages, Kind::Events, &cut(MESSAGES, "event: message_delta")), None);
    assert_eq!(told(Api::Responses, Kind::Events, &cut(RESPONSES, "event: response.completed")), None);
    assert_eq!(told(Api::Chat, Kind::Events, &cut(CHAT, "data: {\"id\":\"c\",\"choices\":[],")), None);
    assert_eq!(told(Api::OllamaChat, Kind::Lines, &cut(OLLAMA, "\"total_duration\"")), None);
    let stopped = MESSAGES.replace("\"stop_reason\":\"end_turn\"", "\"stop_reason\":null");
    assert_eq!(told(Api::Messages, Kind::Events, &stopped), usage(165, 40, 100, 15));
    assert_eq!(told(Api::Messages, Kind::Events, &cut(&stopped, "event: message_stop")), None);
    assert_eq!(
        told(
            Api::Messages,
            Kind::Events,
            &(cut(MESSAGES, "event: message_delta") + "data: {\"type\":\"message_stop\"}\n\n")
        ),
        None
    );
    // Its usage has come whole, though what follows it has not.
    assert_eq!(told(Api::Chat, Kind::Events, &cut(CHAT, "[DONE]")), usage(19, 8, 0, 10));
    // Counts in each part are not the last word before its end.
    let growing = |count: u64, reason: &str| {
        format!(
            "data: {{\"choices\":[{{\"finish_reason\":{reason}}}],\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":{count}}}}}\n\n"
        )
    };
    let parts = growing(1, "null") + &growing(2, "\"stop\"");
    assert_eq!(told(Api::Chat, Kind::Events, &parts), None);
    assert_eq!(told(Api::Chat, Kind::Events, &format!("{parts}data: [DONE]\n\n")), usage(5, 0, 0, 2));
    // Nor is one that stands alone before more of the answer.
    let early = CHAT.replace("data: [DONE]\n\n", &growing(1, "null").replace("\"usage\"", "\"-\""));
    assert_eq!(told(Api::Chat, Kind::Events, &early), None);
    assert_eq!(told(Api::Chat, Kind::Events, &(early + "data: [DONE]\n\n")), usage(19, 8, 0, 10));
    let shrinking = growing(2, "null") + &growing(1, "\"stop\"") + "data: [DONE]\n\n";
    assert_eq!(told(Api::Chat, Kind::Events, &shrinking), None);
}

#[test]
fn documents_tell_their_usage() {
    for (api, answer, expected) in [
        (
            Api::Chat,
            "{\"choices\":[{}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":21}}",
            usage(9, 0, 0, 12),
        ),
        // What was thought stands in the total alone.
        (
            Api::Chat,
            "{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":12,\"total_tokens\":100}}",
            usage(9, 0, 0, 91),
        ),
        (
            Api::Chat,
            "{\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"prompt_tokens_details\":{\"cached_tokens\":10}}}",
            None,
        ),
        (Api::Embeddings, "{\"data\":[],\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}", usage(8, 0, 0, 0)),
        (
            Api::Responses,
            "{\"status\":\"completed\",\"usage\":{\"input_tokens\":3,\"output_tokens\":4,\"input_tokens_details\":{\"cached_tokens\":1}}}",
            usage(3, 1, 0, 4),
        ),
        (Api::Responses, "{\"status\":\"queued\",\"usage\":null}", None),
        (
            Api::Responses,
            "{\"usage\":{\"input_tokens\":9,\"output_tokens\":4,\"input_tokens_details\":{\"cached_tokens\":4,\"cache_write_tokens\":9}}}",
            usage(9, 4, 5, 4),
        ),
        (
            Api::Messages,
            "{\"usage\":{\"input_tokens\":2095,\"output_tokens\":503,\"cache_creation_input_tokens\":null,\"cache_read_input_tokens\":5}}",
            usage(2100, 5, 0, 503),
        ),
        (
            Api::Generate,
            "{\"response\":\"x\",\"done\":true,\"prompt_eval_count\":4,\"eval_count\":6}",
            usage(4, 0, 0, 6),
        ),
        (Api::Generate, "{\"response\":\"x\",\"done\":true,\"prompt_eval_count\":4}", usage(4, 0, 0, 0)),
        (Api::Generate, "{\"response\":\"\",\"done\":true,\"done_reason\":\"load\"}", None),
        (Api::Generate, "{\"done\":false,\"prompt_eval_count\":4,\"eval_count\":6}", None),
        (Api::Chat, "{\"error\":{\"message\":\"no\"}}", None),
        (Api::Chat, "[1]", None),
        (Api::Chat, "", None),
    ] {
        assert_eq!(told(api, Kind::Json, answer), expected, "{api:?} {answer}");
    }
}

#[test]
fn counts_that_cannot_be_are_not_known() {
    for count in
        ["-1", "1.0", "1.5", "1e3", "\"7\"", "true", "[]", "18446744073709551616", "18446744073709551615", "null"]
    {
        let chat = format!("{{\"choices\":[],\"usage\":{{\"prompt_tokens\":7,\"completion_tokens\":{count}}}}}");
        assert_eq!(told(Api::Chat, Kind::Json, &chat), None, "{count}");
        let events = format!("data: {chat}\n\ndata: [DONE]\n\n");
        assert_eq!(told(Api::Chat, Kind::Events, &events), None, "{count}");
        // A right count before it does not stand in for it.
        assert_eq!(told(Api::Chat, Kind::Events, &CHAT.replace("data: [DONE]\n\n", &events)), None, "{count}");
        let messages = MESSAGES.replace("\"output_tokens\":15", &format!("\"output_tokens\":{count}"));
        assert_eq!(told(Api::Messages, Kind::Events, &messages), None, "{count}");
        let ollama = OLLAMA.replace("282", count);
        let expected = if count == "null" { usage(26, 0, 0, 0) } else { None };
        assert_eq!(told(Api::OllamaChat, Kind::Lines, &ollama), expected, "{count}");
    }
    for answer in [
        "{\"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}",
        "{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1,\"completion_tokens\":2}}",
        "{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1},\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2}}",
        "{\"usage\":[]}",
        "{\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}} {}",
    ] {
        assert_eq!(told(Api::Chat, Kind::Json, answer), None, "{answer}");
    }
    let twice = RESPONSES.to_owned() + &RESPONSES[RESPONSES.find("event: response.completed").unwrap()..];
    assert_eq!(told(Api::Responses, Kind::Events, &twice), None);
    assert_eq!(told(Api::Messages, Kind::Events, &(MESSAGES.to_owned() + MESSAGES)), None);
}

#[test]
fn only_the_event_that_was_not_asked_for_is_left_out() {
    let from = CHAT.find("data: {\"id\":\"c\",\"choices\":[],").unwrap();
    let until = CHAT.find("data: [DONE]").unwrap();
    let without = [&CHAT[..from], &CHAT[until..]].concat();
    for end in ["\n", "\r\n", "\r"] {
        let (answer, expected) = (CHAT.replace('\n', end), without.replace('\n', end));
        let (bytes, taken) = metered(Api::Chat, Kind::Events, true, answer.as_bytes(), &[]);
        assert_eq!((String::from_utf8(bytes).unwrap(), taken), (expected, usage(19, 8, 0, 10)), "{end:?}");
    }
    for answer in [
        // No usage, usage beside an answer, and another API.
        (Api::Chat, "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\ndata: {\"choices\":[],\"usage\":null}\n\n"),
        (Api::Chat, "data: {\"choices\":[{}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\n"),
        (Api::Chat, "data: {\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}\n\nno event\n: and no end"),
        (Api::Responses, RESPONSES),
        (Api::Messages, MESSAGES),
    ] {
        let (api, answer) = answer;
        assert_eq!(metered(api, Kind::Events, true, answer.as_bytes(), &[]).0, answer.as_bytes(), "{answer}");
    }
    // Whatever it counts, and where the answer ends in it.
    let usages =
        "data: {\"choices\": [ ],\"usage\":{\"prompt_tokens\":-1}}\n\ndata: {\"choices\":[],\ndata: \"usage\":{}}";
    assert_eq!(metered(Api::Chat, Kind::Events, true, usages.as_bytes(), &[]), (Vec::new(), None));
}

#[test]
fn an_event_passes_as_soon_as_it_is_whole() {
    let (mut meter, mut pass) = (Meter::new(Api::Chat, Kind::Events, true), Vec::new());
    meter.take(Bytes::from_static(b"data: {\"choices\":[{}]}\n"), &mut pass);
    assert!(pass.is_empty());
    meter.take(Bytes::from_static(b"\ndata: {"), &mut pass);
    assert_eq!(pass.concat(), b"data: {\"choices\":[{}]}\n\n");
    let (mut meter, mut pass) = (Meter::new(Api::Chat, Kind::Events, false), Vec::new());
    meter.take(Bytes::from_static(b"d"), &mut pass);
    assert_eq!(pass.concat(), b"d");
}

#[test]
fn what_is_too_long_passes_unread() {
    let long = "x".repeat(MAX_EVENT);
    for long in [
        format!("data: {{\"choices\":[{{}}],\"x\":\"{long}\"}}\n\n"),
        format!(":{long}\n\n"),
        format!("{}\n\n", "data: \n".repeat(1 << 18)),
    ] {
        for cuts in [vec![], vec![1 << 19], (0..200).map(|at| at * 7001).collect()] {
            let answer = CHAT.replacen("data:", &format!("{long}data:"), 3);
            let (bytes, taken) = metered(Api::Chat, Kind::Events, false, answer.as_bytes(), &cuts);
            assert!(bytes == answer.as_bytes());
            assert_eq!(taken, usage(19, 8, 0, 10));
        }
    }
    let padded = CHAT.replace("\"choices\":[],", &format!("\"choices\":[],\"x\":\"{long}\","));
    for cuts in [vec![], vec![1 << 19, 1 << 20]] {
        let (bytes, taken) = metered(Api::Chat, Kind::Events, true, padded.as_bytes(), &cuts);
        assert!(bytes == padded.as_bytes());
        assert_eq!(taken, None);
    }
    let noted = CHAT.replace("\n\ndata: [DONE]", &format!("\n: {long}\n\ndata: [DONE]"));
    for cuts in [vec![], vec![1 << 19, 1 << 20]] {
        let (bytes, taken) = metered(Api::Chat, Kind::Events, true, noted.as_bytes(), &cuts);
        assert!(bytes == noted.as_bytes());
        assert_eq!(taken, None);
    }
    let lines = padded.replacen("\"x\":", &"\ndata: ".repeat(1 << 18), 1).replacen(&format!("\"{long}\","), "", 1);
    for cuts in [vec![], vec![1 << 19, 1 << 20]] {
        let (bytes, taken) = metered(Api::Chat, Kind::Events, true, lines.as_bytes(), &cuts);
        assert!(bytes == lines.as_bytes());
        assert_eq!(taken, None);
    }
    let ollama = OLLAMA.replace("\"done\":true", &format!("\"done\":true,\"x\":\"{long}\""));
    for cuts in [vec![], vec![1 << 19, 1 << 20]] {
        assert_eq!(metered(Api::Generate, Kind::Lines, false, ollama.as_bytes(), &cuts).1, None);
    }
    let (mut meter, mut pass) = (Meter::new(Api::Chat, Kind::Events, true), Vec::new());
    meter.take(Bytes::from(long), &mut pass);
    assert!(pass.is_empty());
    meter.take(Bytes::from_static(b"x"), &mut pass);
    assert_eq!(pass.concat().len(), MAX_EVENT + 1);
    let answer = format!("{{\"x\":\"{}\",\"usage\":{{\"prompt_tokens\":1,\"total_tokens\":1}}}}", "x".repeat(MAX_JSON));
    for cuts in [vec![], vec![1 << 20, 1 << 21]] {
        let (bytes, taken) = metered(Api::Embeddings, Kind::Json, false, answer.as_bytes(), &cuts);
        assert!(bytes == answer.as_bytes());
        assert_eq!(taken, None);
    }
}

#[test]
fn lines_and_fields_are_those_of_the_standard() {
    let chunk = "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}";
    let split = chunk.replace("],", "],\ndata:");
    for answer in [
        format!("data:{chunk}\n\n"),
        format!("\u{feff}data: {chunk}\n\n"),
        format!("id: 1\nretry: 3\nevent: x\ndata: {chunk}\nother\n\n"),
        format!("data: {split}\n\n"),
        format!("data: {chunk}\r\n\r\n"),
        format!("data: {chunk}\r\r"),
        format!("data: {chunk}"),
    ] {
        assert_eq!(told(Api::Chat, Kind::Events, &answer), usage(5, 0, 0, 2), "{answer}");
    }
    let mixed = format!("\rdata: {chunk}\n\ndata: [DONE]\n\n");
    let each: Vec<usize> = (0..mixed.len()).collect();
    assert_eq!(metered(Api::Chat, Kind::Events, false, mixed.as_bytes(), &each).1, usage(5, 0, 0, 2));
    for answer in [
        format!("Data: {chunk}\n\n"),
        format!("dat: {chunk}\n\n"),
        format!(": data: {chunk}\n\n"),
        format!(" data: {chunk}\n\n"),
    ] {
        assert_eq!(told(Api::Chat, Kind::Events, &answer), None, "{answer}");
    }
}

#[test]
fn content_types_say_the_kind() {
    for (content_type, kind) in [
        ("application/json", Some(Kind::Json)),
        ("Application/JSON; charset=utf-8", Some(Kind::Json)),
        ("text/event-stream;charset=utf-8", Some(Kind::Events)),
        ("application/x-ndjson", Some(Kind::Lines)),
        ("text/html", None),
        ("application/jsonp", None),
        ("", None),
    ] {
        assert_eq!(Kind::of(content_type), kind, "{content_type}");
    }
}

fn answers() -> impl Strategy<Value = (Api, Kind, Vec<u8>)> {
    let lines = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    let known = prop::sample::select(vec![
        (Api::Chat, Kind::Events, CHAT),
        (Api::Messages, Kind::Events, MESSAGES),
        (Api::Responses, Kind::Events, RESPONSES),
        (Api::OllamaChat, Kind::Lines, OLLAMA),
    ]);
    let real =
        (known, lines).prop_map(|((api, kind, answer), end)| (api, kind, answer.replace('\n', end).into_bytes()));
    let kinds = prop::sample::select(vec![Kind::Json, Kind::Events, Kind::Lines]);
    let pieces = prop::sample::select(vec![
        "\n",
        "\r",
        "\r\n",
        "\n\n",
        "data:",
        "data: ",
        "[DONE]",
        ":",
        "\u{feff}",
        "é",
        "event: x",
        "{\"usage\":{}}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}",
        "{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":2}}",
        "{\"done\":true,\"prompt_eval_count\":1}",
    ]);
    let pieced = prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat().into_bytes());
    let bytes = prop::collection::vec(any::<u8>(), 0..200);
    let strange = (prop::sample::select(Api::ALL.to_vec()), kinds, prop_oneof![pieced, bytes]);
    prop_oneof![real, strange]
}

proptest! {
    #[test]
    fn no_cut_changes_what_passes_or_what_is_told(
        (api, kind, answer) in answers(), hides: bool, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.index(answer.len().saturating_add(1))).collect();
        let whole = metered(api, kind, hides, &answer, &[]);
        prop_assert_eq!(&metered(api, kind, hides, &answer, &cuts), &whole);
        let each: Vec<usize> = (0..answer.len()).collect();
        prop_assert_eq!(&metered(api, kind, hides, &answer, &each), &whole);
        let seen = metered(api, kind, false, &answer, &cuts);
        prop_assert_eq!(seen.0, answer);
        prop_assert_eq!(seen.1, whole.1);
    }

    #[test]
    fn any_bytes_put_into_an_answer_are_borne(
        (api, kind, mut answer) in answers(), at: prop::sample::Index, bytes in prop::collection::vec(any::<u8>(), 1..6), hides: bool,
    ) {
        let at = at.index(answer.len().saturating_add(1));
        answer.splice(at..at, bytes);
        let (passed, _) = metered(api, kind, false, &answer, &[at]);
        prop_assert_eq!(&passed, &answer);
        prop_assert!(metered(api, kind, hides, &answer, &[at]).0.len() <= answer.len());
    }
}
