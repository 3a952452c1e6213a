//! Keys, their files, and DIDs. Deriving a key from a passphrase takes up to seconds, so there is a way to do it on another
//! thread.

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{AsyncTask, Either, Env, External, ToNapiValue, Uint8ArraySlice};
use napi::{Result, Task, sys};
use napi_derive::napi;
use xbind::{Error, ErrorKind};
use xbind_binding::did;
use xbind_binding::key::{File, Key, Prepared, Written, prepared};

use crate::bytes::{Bytes, Copied, SecretBytes, SecretText};
use crate::convert::Fallible;
use crate::pass::{Give, Pass};

pub type KeyRef = External<Key>;
pub type WrappingRef = External<Prepared>;

/// PEM, or bytes of either.
#[napi]
pub type KeyFile = Either<SecretText, SecretBytes>;

/// PKCS#8 in DER, or with `pem` as text. Whoever gets the bytes wipes them.
#[napi]
pub type Exported = Either<SecretText, SecretBytes>;

pass! {
    [] KeyFile => File<'a>: |file| match file {
        Either::A(text) => File::Pem(&text.0),
        Either::B(bytes) => File::Either(bytes.as_slice()),
    };
}

give! {
    [] Written => Exported: |written| match written {
        Written::Pem(text) => Self::A(SecretText(text)),
        Written::Der(bytes) => Self::B(Copied(bytes)),
    };
}

/// Work on a thread of libuv, which ends with a T, or with an error of ours.
pub struct Work<T, U>(Option<Box<dyn FnOnce() -> xbind::Result<T> + Send>>, PhantomData<fn() -> U>);

impl<T: Send + 'static, U: Give<T> + ToNapiValue + 'static> Task for Work<T, U> {
    type Output = xbind::Result<T>;
    type JsValue = Settled<U>;

    /// A panic out there would end the process.
    fn compute(&mut self) -> Result<Self::Output> {
        let work = self.0.take();
        let done = work.and_then(|work| catch_unwind(AssertUnwindSafe(work)).ok());
        Ok(done.unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "an internal fault ended this call"))))
    }

    fn resolve(&mut self, _env: Env, done: Self::Output) -> Result<Self::JsValue> {
        Ok(Settled(Give::give(done)))
    }
}

/// What the promise is resolved with.
pub struct Settled<U>(Fallible<U>);

named! { Object, Settled<U>, U }

impl<U: ToNapiValue> ToNapiValue for Settled<U> {
    unsafe fn to_napi_value(env: sys::napi_env, settled: Self) -> Result<sys::napi_value> {
        // SAFETY: whoever calls this vouches for the environment.
        unsafe { ToNapiValue::to_napi_value(env, settled.0) }
    }
}

pub fn elsewhere<T, U>(work: impl FnOnce() -> xbind::Result<T> + Send + 'static) -> AsyncTask<Work<T, U>>
where
    Work<T, U>: Task,
{
    AsyncTask::new(Work(Some(Box::new(work)), PhantomData))
}

entries! {
    fn generate_key() -> Fallible<KeyRef> = Key::generate;
    fn key_from_seed(seed: SecretBytes) -> Fallible<KeyRef> = Key::of_seed;
    fn key_did(key: &KeyRef) -> Fallible<String> = Key::did;
    /// Writes the signature into the 64 bytes of `signature`, which the caller made in its own realm. `dangerously` signs a
    /// statement of ours as well.
    fn key_sign(key: &KeyRef, data: Bytes, dangerously: bool, mut signature: Uint8ArraySlice<'_>) -> Fallible<()> {
        // SAFETY: no other code runs on this thread until we return.
        let target = unsafe { signature.as_mut() };
        Give::give(key.sign_data(data.as_slice(), dangerously).map(|bytes| target.copy_from_slice(&bytes)))
    }
    fn destroy_key(key: &KeyRef) = Key::destroy;
    fn did_to_public_key(did: String) -> Fallible<Bytes> = did::public_key;
    fn public_key_to_did(public_key: Bytes) -> Fallible<String> = did::of_public_key;
    fn verify_signature(did: String, data: Bytes, signature: Bytes) -> Fallible<bool> = did::verify;
    fn jwk_json(did: String) -> Fallible<String> = did::jwk;
    fn did_document_json(did: String) -> Fallible<String> = did::document;
    fn key_from_pkcs8(file: KeyFile, passphrase: Option<SecretText>) -> Fallible<KeyRef> = Key::read;
    fn import_key(mut file: KeyFile, mut passphrase: Option<SecretText>) -> AsyncTask<Work<Key, KeyRef>>
        as "Promise<Fallible<KeyRef>>" { elsewhere(move || Key::read(file.pass(), passphrase.pass())) }
    fn export_key(key: &KeyRef, pem: bool, passphrase: Option<SecretText>) -> Fallible<Exported> = Key::write;
    /// Prepares an export on another thread. The private key has no part in it and stays where it can be wiped.
    fn prepare_export(passphrase: SecretText) -> AsyncTask<Work<Prepared, WrappingRef>> as "Promise<Fallible<WrappingRef>>"
        { elsewhere(move || prepared(&passphrase.0)) }
    fn export_prepared(key: &KeyRef, pem: bool, wrapping: &WrappingRef) -> Fallible<Exported> = Key::write_prepared;
}
