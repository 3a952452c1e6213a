//! Key files. Deriving a key from a passphrase takes up to seconds, so there is a way to do it on another thread.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use napi::bindgen_prelude::{AsyncTask, Either, Env, External, ToNapiValue, TypeName, Uint8Array};
use napi::{Result, Task, ValueType, sys};
use napi_derive::napi;
use xbind::identity::pkcs8::{self, EncryptionSeed, Wrapping};
use xbind::{Error, ErrorKind, SigningKey};
use xbind_runtime::random;

use crate::bytes::{SecretBytes, SecretText};
use crate::convert::{Fallible, fallible};
use crate::identity::{Key, KeyRef};

/// PEM, or bytes of either.
#[napi]
pub type KeyFile = Either<SecretText, SecretBytes>;

fn read(file: KeyFile, passphrase: Option<SecretText>) -> xbind::Result<SigningKey> {
    let passphrase = passphrase.as_ref().map(SecretText::as_str);
    match file {
        Either::A(text) => pkcs8::decode_pem(text.as_str().as_bytes(), passphrase),
        Either::B(bytes) => pkcs8::decode(bytes.as_slice(), passphrase),
    }
}

#[napi(catch_unwind)]
pub fn key_from_pkcs8(file: KeyFile, passphrase: Option<SecretText>) -> Fallible<KeyRef> {
    fallible(read(file, passphrase).map(Key::new).map(External::new))
}

/// Work on a thread of libuv, which ends with something in native memory or with an error of ours.
pub struct Work<T>(Option<Box<dyn FnOnce() -> xbind::Result<T> + Send>>);

impl<T: Send + 'static> Task for Work<T> {
    type Output = xbind::Result<T>;
    type JsValue = Settled<T>;

    /// A panic out there would end the process.
    fn compute(&mut self) -> Result<Self::Output> {
        let work = self.0.take();
        let done = work.and_then(|work| catch_unwind(AssertUnwindSafe(work)).ok());
        Ok(done.unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "an internal fault ended this call"))))
    }

    fn resolve(&mut self, _env: Env, done: Self::Output) -> Result<Self::JsValue> {
        Ok(Settled(fallible(done.map(External::new))))
    }
}

/// What the promise is resolved with.
pub struct Settled<T: 'static>(Fallible<External<T>>);

impl<T> ToNapiValue for Settled<T> {
    unsafe fn to_napi_value(env: sys::napi_env, settled: Self) -> Result<sys::napi_value> {
        // SAFETY: whoever calls this vouches for the environment.
        unsafe { ToNapiValue::to_napi_value(env, settled.0) }
    }
}

impl<T> TypeName for Settled<T> {
    fn type_name() -> &'static str {
        "object"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

pub fn elsewhere<T>(work: impl FnOnce() -> xbind::Result<T> + Send + 'static) -> AsyncTask<Work<T>>
where
    Work<T>: Task,
{
    AsyncTask::new(Work(Some(Box::new(work))))
}

/// The same on another thread.
#[napi(catch_unwind, ts_return_type = "Promise<Fallible<KeyRef>>")]
pub fn import_key(file: KeyFile, passphrase: Option<SecretText>) -> AsyncTask<Work<Key>> {
    elsewhere(|| read(file, passphrase).map(Key::new))
}

/// A passphrase made ready, for one export.
type Prepared = RefCell<Option<Wrapping>>;
pub type WrappingRef = External<Prepared>;

fn wrapping(passphrase: &SecretText) -> xbind::Result<Wrapping> {
    let mut seed = EncryptionSeed { salt: [0; 16], iv: [0; 16] };
    random(&mut seed.salt)?;
    random(&mut seed.iv)?;
    Wrapping::derive(passphrase.as_str(), seed)
}

/// Prepares an export on another thread. The private key has no part in it and stays where it can be wiped.
#[napi(catch_unwind, ts_return_type = "Promise<Fallible<WrappingRef>>")]
pub fn prepare_export(passphrase: SecretText) -> AsyncTask<Work<Prepared>> {
    elsewhere(move || wrapping(&passphrase).map(|wrapping| RefCell::new(Some(wrapping))))
}

/// PKCS#8 in DER, or with `pem` as text. Whoever gets the bytes wipes them.
#[napi]
pub type Exported = Either<SecretText, Uint8Array>;

fn write(key: &SigningKey, pem: bool, wrapping: Option<Wrapping>) -> xbind::Result<Exported> {
    let bytes = |der: &[u8]| Either::B(Uint8Array::with_data_copied(der));
    Ok(match (pem, wrapping) {
        (false, None) => bytes(&pkcs8::encode_der(key)),
        (false, Some(wrapping)) => bytes(&wrapping.encrypt_der(key)?),
        (true, None) => Either::A(pkcs8::encode_pem(key).into()),
        (true, Some(wrapping)) => Either::A(wrapping.encrypt_pem(key)?.into()),
    })
}

#[napi(catch_unwind)]
pub fn export_key(key: &KeyRef, pem: bool, passphrase: Option<SecretText>) -> Fallible<Exported> {
    let wrapping = passphrase.as_ref().map(wrapping).transpose();
    fallible(key.with(ErrorKind::ExportFailed, |key| write(key, pem, wrapping?)))
}

/// The end of an export that was prepared.
#[napi(catch_unwind)]
pub fn export_prepared(key: &KeyRef, pem: bool, wrapping: &WrappingRef) -> Fallible<Exported> {
    let used = || Error::new(ErrorKind::ExportFailed, "this preparation was used before");
    let wrapping = wrapping.borrow_mut().take().ok_or_else(used);
    fallible(key.with(ErrorKind::ExportFailed, |key| write(key, pem, Some(wrapping?))))
}
