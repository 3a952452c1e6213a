// The operations that a call is made of, each ready to run again and again. Shared by the timing bench and by the
// example whose instructions are counted.

use std::hint::black_box;
use xbind::identity::pkcs8;
use xbind::message::DEFAULT_TTL;
use xbind::{
    Caches, Did, Draft, MessageId, Op, Policy, Recipient, ReplayWindow, RootCache, Sealed, SenderCache, SigningKey,
    Unsigned, open, seal,
};

const NOW: u64 = 1_790_000_000;
const BODY: &[u8] = &[b'b'; 200];
const CACHED: usize = 1024;
const RECIPIENT_SEED: [u8; 32] = [2; 32];

/// Every path, by name.
pub(crate) const NAMES: &[&str] = &[
    "from-seed",
    "sign",
    "verify",
    "pkcs8-decode",
    "seal",
    "open",
    "seal-batch-64",
    "open-batch-64",
    "seal-batch-1000",
    "open-batch-1000",
];

/// The path of that name, with all it needs prepared.
pub(crate) fn path(name: &str) -> Option<Box<dyn FnMut()>> {
    let key = SigningKey::from_seed(&[1; 32]);
    let to = *SigningKey::from_seed(&RECIPIENT_SEED).did();
    Some(match name {
        "from-seed" => Box::new(|| drop(black_box(SigningKey::from_seed(black_box(&[1; 32]))))),
        "sign" => Box::new(move || {
            black_box(key.sign(black_box(BODY)));
        }),
        "verify" => {
            let signature = key.sign(BODY);
            Box::new(move || assert!(key.verifying_key().verify(black_box(BODY), black_box(&signature))))
        }
        "pkcs8-decode" => {
            let der = pkcs8::encode_der(&key);
            Box::new(move || assert!(pkcs8::decode(black_box(&der), None).is_ok()))
        }
        "seal" => Box::new(move || assert!(seal(&key, black_box(&draft(to, 0))).is_ok())),
        "open" => {
            let sealed: Vec<Sealed> = seal(&key, &draft(to, 0)).into_iter().collect();
            let known = caches();
            Box::new(move || open_all(&known, to, black_box(&sealed)))
        }
        "seal-batch-64" => seal_batch(key, to, 64),
        "seal-batch-1000" => seal_batch(key, to, 1000),
        "open-batch-64" => open_batch(&key, to, 64),
        "open-batch-1000" => open_batch(&key, to, 1000),
        _ => return None,
    })
}

fn draft(to: Did, nonce: u16) -> Draft<'static> {
    let mut id = [7; 16];
    for (into, from) in id.iter_mut().zip(nonce.to_be_bytes()) {
        *into = from;
    }
    Draft {
        op: Op::Call,
        to,
        id: MessageId::from_bytes(id),
        issued_at: NOW,
        ttl: DEFAULT_TTL,
        content_type: "application/json",
        body: BODY,
        token: None,
        in_reply_to: None,
        details: xbind::Details::default(),
    }
}

fn batch(key: &SigningKey, drafts: &[Draft<'_>]) -> Vec<Sealed> {
    let Ok(unsigned) = Unsigned::new(key.did(), drafts) else { return Vec::new() };
    let signature = key.sign(unsigned.to_sign());
    unsigned.finish(&signature)
}

fn seal_batch(key: SigningKey, to: Did, size: u16) -> Box<dyn FnMut()> {
    let drafts: Vec<_> = (0..size).map(|nonce| draft(to, nonce)).collect();
    Box::new(move || assert_eq!(batch(&key, black_box(&drafts)).len(), drafts.len()))
}

fn open_batch(key: &SigningKey, to: Did, size: u16) -> Box<dyn FnMut()> {
    let drafts: Vec<_> = (0..size).map(|nonce| draft(to, nonce)).collect();
    let sealed = batch(key, &drafts);
    // Nothing is known beforehand, so that each run verifies the root once.
    Box::new(move || open_all(&caches(), to, black_box(&sealed)))
}

fn open_all(known: &Caches, to: Did, sealed: &[Sealed]) {
    let policy = Policy {
        audience: to,
        clock_skew: 30,
        max_lifetime: 300,
        mail: None,
        secrecy: xbind::Secrecy::None,
        max_body: BODY.len(),
        track_replies: true,
        session: None,
    };
    let replay = ReplayWindow::new(sealed.len());
    let recipient = Recipient { policy: &policy, known, replay: &replay, refused: &|_, _| None };
    for message in sealed {
        assert!(open(&recipient, NOW, &message.jws, BODY, None, |_, _| None).is_ok());
    }
}

fn caches() -> Caches {
    Caches { senders: SenderCache::new(CACHED), roots: RootCache::new(CACHED) }
}
