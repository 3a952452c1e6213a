//! What is decided outside agents: on record, or not done.

use super::*;
use xbind_runtime::Recording;

const GOOD: &str = r#"{"event":"token","outcome":"accepted"}"#;

fn committed(recording: &Recording, json: &str) -> Result<()> {
    let (tell, told) = channel();
    recording.commit(json, &did(1), move |done| tell.send(done).unwrap());
    told.recv().unwrap().map(drop)
}

#[test]
fn it_is_on_record_or_refused_unless_that_is_of_no_matter() {
    for durability in [Durability::Always, Durability::Batch, Durability::None] {
        let folder = Folder::new("recording");
        let (log, _) = open_as(&folder.log(), key(), durability, 1 << 30).unwrap();
        let strict = Recording { audit: log.clone(), dangerously_unrecorded: false };
        let lax = Recording { audit: log.clone(), dangerously_unrecorded: true };
        for has_happened in [true, false] {
            strict.put(GOOD, &did(2), has_happened).unwrap();
        }
        committed(&strict, GOOD).unwrap();
        for wrong in ["", "{}", "[]", r#"{"event":"log.begin","outcome":"accepted"}"#, &GOOD.replace("token", "T")] {
            let refused =
                [strict.put(wrong, &did(1), true), strict.put(wrong, &did(1), false), committed(&strict, wrong)];
            for error in refused.map(Result::unwrap_err) {
                assert_eq!(error.kind(), ErrorKind::AuditFailed, "{wrong}");
            }
            lax.put(wrong, &did(1), false).unwrap();
            committed(&lax, wrong).unwrap();
        }
        log.close().unwrap();
        assert_eq!(verify(&folder.log(), None, None).unwrap().records, 3);
        for recording in [&strict, &lax] {
            let goes_on = recording.dangerously_unrecorded;
            assert_eq!(recording.put(GOOD, &did(1), true).is_ok(), goes_on);
            assert_eq!(recording.put(GOOD, &did(1), false).is_ok(), goes_on);
            assert_eq!(committed(recording, GOOD).is_ok(), goes_on);
        }
    }
}

#[test]
fn refusals_leave_room_for_what_is_to_be_done() {
    let folder = Folder::new("refusals");
    let (log, _) = open_as(&folder.log(), key(), Durability::Batch, 1 << 30).unwrap();
    let mut refused = call(1);
    refused.outcome = Verdict::Refused;
    // Faster than any disk: at some time half of the room is full of them.
    let mut left_out = 0_u32;
    for _ in 0..2_000_000 {
        if log.take(refused.clone(), None) == Taken::No {
            left_out += 1;
            assert_eq!(log.take(call(2), None), Taken::Yes);
            if left_out == 100 {
                break;
            }
        }
    }
    log.close().unwrap();
}

#[test]
fn what_fits_is_what_the_line_takes() {
    for message in [false, true] {
        let mut decided = call(1);
        decided.message = message.then(|| MessageId::from_bytes([0xff; 16]));
        decided.digest = message.then(|| Digest::from_bytes([0xff; 32]));
        decided.token = Some("\0".repeat(1000).into());
        decided.note = Some("\0".repeat(1000).into());
        // Escaped, each of these bytes takes six: somewhere here a line becomes too long.
        let (mut fit, mut unfit) = (0, 0);
        for length in 1..=1000 {
            decided.chain = vec!["\0".repeat(length).into()];
            let misfit = decided.misfit();
            assert_eq!(misfit, decided.with_record(|record| record.misfit()), "{length}");
            if misfit.is_none() { fit += 1 } else { unfit += 1 }
        }
        assert!(fit > 0 && unfit > 0, "{fit} {unfit}");
    }
}
