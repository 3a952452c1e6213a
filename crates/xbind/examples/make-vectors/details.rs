//! What only some messages say: methods, deadlines, traces, receipts, parts and what belongs to them.

use super::forge::*;
use std::borrow::Borrow;
use xbind::{Digest, SigningKey};

const CALL: &str = "EBESExQVFhcYGRobHB0eHw";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub fn cases() -> Vec<Case> {
    [methods(), deadlines(), traces(), counts(), receipts(), parts(), progress(), afterthoughts(), elsewhere()].concat()
}

fn honest() -> Object {
    let Keys { sender, recipient, .. } = keys();
    claims(sender.did(), recipient.did())
}

fn fine(name: &'static str, why: &'static str, claims: impl Borrow<Object>) -> Case {
    accept(name, why, with_claims(claims.borrow()))
}

fn malformed(name: &'static str, why: &'static str, claims: impl Borrow<Object>) -> Case {
    refuse("MALFORMED_MESSAGE", name, why, with_claims(claims.borrow()))
}

fn digest(of: &str) -> String {
    quoted(&format!("sha-256:{}", encode(Digest::of(of.as_bytes()).as_bytes())))
}

/// A call or send with these claims too, from one to the other, under the id that replies name.
fn request(from: &SigningKey, to: &SigningKey, more: &[(&str, String)]) -> String {
    let call = claims(from.did(), to.did()).set("jti", quoted(CALL));
    let call = more.iter().fold(call, |call, (name, value)| match *name {
        "op" => call.set(name, value),
        _ => call.add(name, value),
    });
    sign(from, header(from.did()).json(), call.json())
}

/// What the recipient asked of the sender, who replies.
fn asked(more: &[(&str, String)]) -> String {
    let Keys { sender, recipient, .. } = keys();
    request(&recipient, &sender, more)
}

/// What the sender asks of the recipient, who works on it.
fn running(more: &[(&str, String)]) -> String {
    let Keys { sender, recipient, .. } = keys();
    request(&sender, &recipient, more)
}

/// A message about that call, with the body of the known answer.
fn about(op: &str, call: &str) -> Object {
    honest().set("op", quoted(op)).add("irt", quoted(CALL)).add("rqd", digest(call))
}

/// The same, without a body.
fn bare(op: &str, call: &str) -> Object {
    about(op, call).set("pl", 0).set("pd", digest(""))
}

fn waiting(call: &str, case: Case) -> Case {
    let to = keys().sender.did().as_str().to_owned();
    Case { pending: Some(Pending { jti: CALL, to, jws: call.to_owned() }), ..case }
}

fn works(call: &str, case: Case) -> Case {
    let from = keys().sender.did().as_str().to_owned();
    Case { running: Some(Running { jti: CALL, from, jws: call.to_owned() }), ..case }
}

fn mismatch(name: &'static str, why: &'static str, claims: impl Borrow<Object>) -> Case {
    refuse("REPLY_MISMATCH", name, why, with_claims(claims.borrow()))
}

fn methods() -> Vec<Case> {
    let method = |text: &str| honest().add("mth", quoted(text));
    let named = |name, why, text: &str| fine(name, why, method(text));
    let wrong = |name, text: &str| malformed(name, "a method is 1 to 128 of A-Z a-z 0-9 _ . -", method(text));
    let typed = |name, value: &str| malformed(name, "a method is a string", honest().add("mth", value));
    vec![
        named("method", "a call may name a method", "write-summary"),
        fine("method-send", "so may a send", method("write-summary").set("op", quoted("send"))),
        named("method-one", "one letter is enough", "x"),
        named("method-128", "128 bytes are the most", &"m".repeat(128)),
        named("method-dots", "full stops stand anywhere", "..a..b.."),
        named("method-trailing-dot", "also at the end, which makes it another method", "write-summary."),
        named("method-proto", "a name like any other, whatever a language makes of it", "__proto__"),
        named("method-constructor", "and so is this", "constructor"),
        named("method-reserved", "who offers what xbind. begins is another question", "xbind.describe"),
        named("method-number", "digits name a method too", "0"),
        named("method-hyphen", "so does a hyphen", "-"),
        named("method-escaped", "an escape spells the same method", "write\\u002dsummary"),
        wrong("method-empty", ""),
        wrong("method-129", &"m".repeat(129)),
        wrong("method-look-alike", "writ\u{435}-summary"),
        wrong("method-look-alike-escaped", "writ\\u0435-summary"),
        wrong("method-full-width", "\u{ff57}rite"),
        wrong("method-space", "write summary"),
        wrong("method-space-after", "write-summary "),
        wrong("method-space-before", " write-summary"),
        wrong("method-slash", "write/summary"),
        wrong("method-colon", "write:summary"),
        wrong("method-star", "*"),
        wrong("method-nul", "write\\u0000"),
        wrong("method-newline", "write\\n"),
        wrong("method-soft-hyphen", "write\u{ad}summary"),
        wrong("method-combining", "write\u{301}"),
        typed("method-number-type", "7"),
        typed("method-null", "null"),
        typed("method-array", "[\"write-summary\"]"),
        typed("method-object", "{}"),
        typed("method-true", "true"),
        malformed("method-repeated", "a member stands once", method("write").add("mth", quoted("read"))),
        malformed("method-repeated-escaped", "a member stands once", method("write").add("m\\u0074h", quoted("read"))),
        malformed("method-upper-case", "names of claims are exact", honest().add("MTH", quoted("write"))),
    ]
}

fn deadlines() -> Vec<Case> {
    let deadline = |value: &str| honest().add("dl", value);
    let wrong = |name, value: &str| malformed(name, "an integer from 1 to 2147483647", deadline(value));
    vec![
        fine("deadline", "how long the caller waits, in milliseconds", deadline("30000")),
        fine("deadline-1", "the shortest time", deadline("1")),
        fine("deadline-longest", "the longest time", deadline("2147483647")),
        wrong("deadline-0", "0"),
        wrong("deadline-too-long", "2147483648"),
        wrong("deadline-over-64-bits", "18446744073709551616"),
        wrong("deadline-negative", "-1"),
        wrong("deadline-minus-zero", "-0"),
        wrong("deadline-float", "30000.0"),
        wrong("deadline-exponent", "3e4"),
        wrong("deadline-string", "\"30000\""),
        wrong("deadline-null", "null"),
        malformed("deadline-repeated", "a member stands once", deadline("1").add("dl", 30000)),
        malformed("deadline-send", "nobody waits for a send", deadline("30000").set("op", quoted("send"))),
    ]
}

fn traces() -> Vec<Case> {
    let trace = |text: &str| honest().add("tp", quoted(text));
    let wrong = |name, why, text: &str| malformed(name, why, trace(text));
    let call = asked(&[("win", "4".to_owned())]);
    vec![
        fine("trace", "a call may belong to a trace", trace(TRACE)),
        fine("trace-send", "so may a send", trace(TRACE).set("op", quoted("send"))),
        fine("trace-flags", "all flags may be set", trace(&TRACE.replace("-01", "-ff"))),
        fine("trace-version-cc", "a later version of the same form", trace(&TRACE.replacen("00-", "cc-", 1))),
        waiting(&call, fine("trace-result", "so may an answer", about("result", &call).add("tp", quoted(TRACE)))),
        wrong("trace-empty", "four fields", ""),
        wrong("trace-version-ff", "a version that is invalid", &TRACE.replacen("00-", "ff-", 1)),
        wrong("trace-upper-case", "lower case only", &TRACE.to_uppercase()),
        wrong("trace-zero-trace", "a trace has an id", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        wrong("trace-zero-parent", "a parent has an id", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        wrong("trace-short", "32 digits", "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01"),
        wrong("trace-no-flags", "four fields", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"),
        wrong("trace-fifth-field", "four fields", &format!("{TRACE}-00")),
        wrong("trace-hyphen-after", "four fields", &format!("{TRACE}-")),
        wrong("trace-space", "nothing else", &format!(" {TRACE}")),
        wrong("trace-not-hex", "hexadecimal digits", &TRACE.replace("4b", "4g")),
        wrong("trace-plus", "digits have no sign", &TRACE.replace("-01", "-+1")),
        malformed("trace-null", "null does not mean absent", honest().add("tp", "null")),
        malformed("trace-number", "a text", honest().add("tp", "0")),
        malformed("trace-repeated", "a member stands once", trace(TRACE).add("tp", quoted(TRACE))),
    ]
}

fn counts() -> Vec<Case> {
    let window = |value: &str| honest().add("win", value);
    let wrong = |name, value: &str| malformed(name, "an integer up to 2^53 - 1", window(value));
    vec![
        fine("window", "a call may take parts", window("16")),
        fine("window-0", "and none for the time being", window("0")),
        fine("window-most", "the most that every language counts", window("9007199254740991")),
        wrong("window-too-many", "9007199254740992"),
        wrong("window-over-64-bits", "18446744073709551616"),
        wrong("window-negative", "-1"),
        wrong("window-float", "1.5"),
        wrong("window-string", "\"16\""),
        wrong("window-null", "null"),
        malformed("window-repeated", "a member stands once", window("1").add("win", 1000)),
        malformed("window-send", "nothing is taken of a send", window("16").set("op", quoted("send"))),
        malformed("seq-call", "a call has no place", honest().add("seq", 0)),
        malformed("seq-send", "nor has a send", honest().add("seq", 0).set("op", quoted("send"))),
    ]
}

fn receipts() -> Vec<Case> {
    let (call, send) = (asked(&[]), asked(&[("op", quoted("send"))]));
    let with_method = asked(&[("mth", quoted("write"))]);
    let send_with_method = asked(&[("op", quoted("send")), ("mth", quoted("write"))]);
    let receipt = |call: &str| about("receipt", call);
    vec![
        waiting(&call, fine("receipt", "the call stands in an inbox", receipt(&call))),
        waiting(&send, fine("receipt-send", "the send stands in an inbox", receipt(&send))),
        waiting(&send, fine("error-send", "a send may be refused", about("error", &send))),
        waiting(&send_with_method, fine("receipt-send-method", "also one with a method", receipt(&send_with_method))),
        mismatch("receipt-unasked", "nobody sent anything", receipt(&call)),
        waiting(
            &with_method,
            mismatch("receipt-call-method", "a call with a method is answered or refused", receipt(&with_method)),
        ),
        waiting(&with_method, fine("result-method", "it gets an answer like any other", about("result", &with_method))),
        waiting(&send, mismatch("result-send", "no answer can look like a receipt", about("result", &send))),
        waiting(&call, malformed("receipt-case", "names are exact", receipt(&call).set("op", quoted("Receipt")))),
        waiting(&call, malformed("receipt-irt-missing", "it names its call", receipt(&call).without("irt"))),
        waiting(&call, malformed("receipt-rqd-missing", "it names its bytes", receipt(&call).without("rqd"))),
        waiting(&call, malformed("receipt-seq", "it has no parts", receipt(&call).add("seq", 1))),
        waiting(&call, malformed("receipt-method", "it asks for nothing", receipt(&call).add("mth", quoted("write")))),
    ]
}

fn parts() -> Vec<Case> {
    let call = asked(&[("win", "4".to_owned())]);
    let whole = asked(&[]);
    let part = |seq: &str| about("part", &call).add("seq", seq);
    let Keys { stranger, recipient, .. } = keys();
    let strangers = claims(stranger.did(), recipient.did())
        .set("op", quoted("part"))
        .add("irt", quoted(CALL))
        .add("rqd", digest(&call))
        .add("seq", 0);
    let strangers = sign(&stranger, header(stranger.did()).json(), strangers.json());
    let wrong = |name, claims: &Object| waiting(&call, malformed(name, "an integer up to 2^53 - 1", claims));
    vec![
        waiting(&call, fine("part", "the first part of an answer", part("0"))),
        waiting(&call, fine("part-last", "the highest place", part("9007199254740991"))),
        waiting(&call, fine("part-empty", "a part may be empty", bare("part", &call).add("seq", 1))).body(""),
        waiting(&call, fine("result-after-parts", "the end says how many", about("result", &call).add("seq", 3))),
        waiting(&call, fine("error-after-parts", "also where it failed", about("error", &call).add("seq", 3))),
        waiting(&call, fine("result-without-parts", "there need not be any", about("result", &call))),
        mismatch("part-unasked", "no call waits", part("0")),
        waiting(&call, refuse("REPLY_MISMATCH", "part-from-another", "not the agent that was asked", strangers)),
        waiting(
            &call,
            mismatch("part-other-call", "part of the answer to another call", about("part", &whole).add("seq", 0)),
        ),
        waiting(&call, refuse("REPLAYED", "part-replayed", "a part counts once", with_claims(&part("0"))))
            .after("part"),
        waiting(&whole, mismatch("part-not-wanted", "the call takes no parts", about("part", &whole).add("seq", 0))),
        waiting(
            &whole,
            mismatch("result-seq-not-wanted", "the call takes no parts", about("result", &whole).add("seq", 1)),
        ),
        waiting(
            &whole,
            mismatch("error-seq-not-wanted", "the call takes no parts", about("error", &whole).add("seq", 1)),
        ),
        waiting(&call, malformed("part-seq-missing", "a part has its place", about("part", &call))),
        waiting(&call, malformed("part-irt-missing", "a part names its call", part("0").without("irt"))),
        waiting(&call, malformed("part-rqd-missing", "and its bytes", part("0").without("rqd"))),
        waiting(&call, malformed("part-window", "a part takes nothing", part("0").add("win", 4))),
        waiting(&call, malformed("part-deadline", "a part waits for nothing", part("0").add("dl", 4))),
        waiting(
            &call,
            malformed("result-seq-0", "an answer without parts has none", about("result", &call).add("seq", 0)),
        ),
        waiting(&call, malformed("part-seq-repeated", "a member stands once", part("0").add("seq", 1))),
        wrong("part-seq-too-high", &part("9007199254740992")),
        wrong("part-seq-negative", &part("-1")),
        wrong("part-seq-float", &part("0.0")),
        wrong("part-seq-string", &part("\"0\"")),
        wrong("part-seq-null", &part("null")),
    ]
}

fn progress() -> Vec<Case> {
    let (call, send) = (asked(&[]), asked(&[("op", quoted("send"))]));
    let progress = |bytes: usize| {
        let Keys { sender, recipient, .. } = keys();
        claims_for(sender.did(), recipient.did(), "x".repeat(bytes).as_bytes(), "application/json")
            .set("op", quoted("progress"))
            .add("irt", quoted(CALL))
            .add("rqd", digest(&call))
            .add("seq", 0)
    };
    let word = about("progress", &call).add("seq", 7);
    vec![
        waiting(&call, fine("progress", "the call is being worked on", &word)),
        waiting(&call, fine("progress-4096", "4096 bytes are the most", progress(4096)).body(&"x".repeat(4096))),
        waiting(&call, malformed("progress-4097", "4096 bytes are the most", progress(4097)).body(&"x".repeat(4097))),
        waiting(&call, malformed("progress-bytes", "it is JSON", word.set("pt", quoted("application/octet-stream")))),
        mismatch("progress-unasked", "no call waits", &word),
        waiting(&send, mismatch("progress-send", "nobody waits for a send", about("progress", &send).add("seq", 0))),
        waiting(&call, refuse("REPLAYED", "progress-replayed", "it counts once", with_claims(&word))).after("progress"),
        waiting(&call, malformed("progress-seq-missing", "it rises", word.without("seq"))),
        waiting(&call, malformed("progress-irt-missing", "it names its call", word.without("irt"))),
    ]
}

fn afterthoughts() -> Vec<Case> {
    let (call, streamed) = (running(&[]), running(&[("win", "4".to_owned())]));
    let send = running(&[("op", quoted("send"))]);
    let cancel = bare("cancel", &call);
    let more = |win: &str| bare("more", &streamed).add("win", win);
    let Keys { sender, recipient, stranger } = keys();
    let strangers = claims(stranger.did(), recipient.did())
        .set("op", quoted("cancel"))
        .set("pl", 0)
        .set("pd", digest(""))
        .add("irt", quoted(CALL))
        .add("rqd", digest(&call));
    let strangers = sign(&stranger, header(stranger.did()).json(), strangers.json());
    let forged = |claims: &Object| sign(&stranger, header(sender.did()).json(), claims.json());
    let small = |case: Case| Case { max_tracked_messages: Some(1), ..case };
    vec![
        works(&call, fine("cancel", "its caller waits no more", &cancel)).body(""),
        works(&call, fine("cancel-again", "it takes no place, and does no harm twice", &cancel))
            .body("")
            .after("cancel"),
        works(&call, small(fine("cancel-window-full", "so a full window does not matter", &cancel)))
            .body("")
            .after("valid"),
        works(&streamed, fine("more", "its caller takes more", more("8"))).body(""),
        works(&streamed, fine("more-less", "less than before is for the one who counts", more("0"))).body(""),
        works(&streamed, fine("more-most", "as many as can be counted", more("9007199254740991"))).body(""),
        mismatch("cancel-not-running", "nobody works on it", &cancel).body(""),
        waiting(&asked(&[]), mismatch("cancel-own-call", "a call that waits for an answer is another", &cancel))
            .body(""),
        works(&call, refuse("REPLY_MISMATCH", "cancel-from-another", "not its caller", strangers)).body(""),
        works(&call, refuse("INVALID_SIGNATURE", "cancel-forged", "nobody has said that it is his", forged(&cancel)))
            .body(""),
        works(
            &call,
            mismatch(
                "cancel-other-digest",
                "another call of the same id",
                cancel.set("rqd", digest("another request")),
            ),
        )
        .body(""),
        works(&send, mismatch("cancel-send", "nobody waits for a send", bare("cancel", &send))).body(""),
        works(&call, mismatch("more-not-wanted", "the call takes no parts", bare("more", &call).add("win", 4)))
            .body(""),
        works(&call, malformed("cancel-body", "it says nothing else", about("cancel", &call))),
        works(&streamed, malformed("more-body", "it says nothing else", about("more", &streamed).add("win", 4))),
        works(&call, malformed("cancel-irt-missing", "it names its call", cancel.without("irt"))).body(""),
        works(&call, malformed("cancel-rqd-missing", "and its bytes", cancel.without("rqd"))).body(""),
        works(&call, malformed("cancel-seq", "it has no place", cancel.add("seq", 0))).body(""),
        works(&call, malformed("cancel-token", "it presents nothing", cancel.add("ath", quoted(&encode([0; 32])))))
            .body("")
            .token("token"),
        works(&streamed, malformed("more-window-missing", "it says how many", bare("more", &streamed))).body(""),
        works(&streamed, malformed("more-too-many", "at most 2^53 - 1", more("9007199254740992"))).body(""),
        works(&streamed, malformed("more-overflow", "at most 2^53 - 1", more("18446744073709551615"))).body(""),
    ]
}

/// Claims where they do not belong, and operations that there are not.
fn elsewhere() -> Vec<Case> {
    let call = asked(&[]);
    let result = about("result", &call);
    let wrong =
        |name, claim: &str, value: &str| waiting(&call, malformed(name, "not on an answer", result.add(claim, value)));
    let op = |name, op: &str| waiting(&call, malformed(name, "no such operation", result.set("op", quoted(op))));
    vec![
        wrong("result-method-claim", "mth", "\"write\""),
        wrong("result-deadline", "dl", "1000"),
        wrong("result-window", "win", "4"),
        op("op-parts", "parts"),
        op("op-receipt-space", "receipt "),
        op("op-more-upper-case", "MORE"),
        malformed("call-cancel-without-call", "it names its call", honest().set("op", quoted("cancel"))),
        malformed("part-without-call", "it names its call", honest().set("op", quoted("part")).add("seq", 0)),
    ]
}
