//! Nothing makes the reader of bodies with messages panic, pieces make no difference, and what it reads is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xbind_net::agents::{Frames, Unreadable, write};
use xbind_runtime::transport::{Arrival, Departure};

const MAX_BODY: usize = 1000;

fuzz_target!(|data: &[u8]| {
    let Some((size, body)) = data.split_first() else { return };
    let (whole, ended) = read([body]);
    let (pieces, ended_too) = read(body.chunks(usize::from(*size).max(1)));
    assert_eq!(ended, ended_too);
    assert_eq!(whole.len(), pieces.len());
    let mut again = Vec::new();
    for (one, other) in whole.into_iter().zip(pieces) {
        assert!(one.jws == other.jws && one.body == other.body && one.token == other.token && one.to == other.to);
        assert!(!one.jws.is_empty() && one.jws.len() <= 4096 && one.body.len() <= MAX_BODY);
        let Arrival { to, jws, body, token } = one;
        assert!(write(&Departure { from: to, to, call: None, jws, body, token, hold: None }, &mut again));
    }
    assert!(body.starts_with(&again));
    assert_eq!(ended.is_ok(), again.len() == body.len());
});

fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Arrival>, Result<(), Unreadable>) {
    let (mut frames, mut arrivals) = (Frames::new(MAX_BODY), Vec::new());
    let read = pieces.into_iter().try_for_each(|piece| frames.read(piece, &mut arrivals));
    (arrivals, read.and_then(|()| frames.end()))
}
