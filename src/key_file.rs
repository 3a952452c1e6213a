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
    fallible(read(file, passphrase).map(Key::new))
}

/// Work that ends with a value or with an error of ours, on a thread of libuv.
pub struct Work<T>(Option<Box<dyn FnOnce() -> xbind::Result<T> + Send>>);

impl<T> Work<T> {
    fn of(work: impl FnOnce() -> xbind::Result<T> + Send + 'static) -> AsyncTask<Self>
    where
        Self: Task,
    {
        AsyncTask::new(Self(Some(Box::new(work))))
    }

    /// A panic out there would end the process.
    fn done(&mut self) -> xbind::Result<T> {
        let work = self.0.take();
        let done = work.and_then(|work| catch_unwind(AssertUnwindSafe(work)).ok());
        done.unwrap_or_else(|| Err(Error::new(ErrorKind::Internal, "an internal fault ended this call")))
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

impl Task for Work<SigningKey> {
    type Output = xbind::Result<SigningKey>;
    type JsValue = Settled<Key>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(self.done())
    }

    fn resolve(&mut self, _env: Env, key: Self::Output) -> Result<Self::JsValue> {
        Ok(Settled(fallible(key.map(Key::new))))
    }
}

/// The same on another thread.
#[napi(catch_unwind, ts_return_type = "Promise<Fallible<KeyRef>>")]
pub fn import_key(file: KeyFile, passphrase: Option<SecretText>) -> AsyncTask<Work<SigningKey>> {
    Work::of(|| read(file, passphrase))
}

/// A passphrase made ready, for one export.
pub type WrappingRef = External<RefCell<Option<Wrapping>>>;

impl Task for Work<Wrapping> {
    type Output = xbind::Result<Wrapping>;
    type JsValue = Settled<RefCell<Option<Wrapping>>>;

    fn compute(&mut self) -> Result<Self::Output> {
        Ok(self.done())
    }

    fn resolve(&mut self, _env: Env, wrapping: Self::Output) -> Result<Self::JsValue> {
        Ok(Settled(fallible(wrapping.map(|wrapping| External::new(Some(wrapping).into())))))
    }
}

fn wrapping(passphrase: &SecretText) -> xbind::Result<Wrapping> {
    let mut seed = EncryptionSeed { salt: [0; 16], iv: [0; 16] };
    random(&mut seed.salt)?;
    random(&mut seed.iv)?;
    Wrapping::derive(passphrase.as_str(), seed)
}

/// Prepares an export on another thread. The private key has no part in it and stays where it can be wiped.
#[napi(catch_unwind, ts_return_type = "Promise<Fallible<WrappingRef>>")]
pub fn prepare_export(passphrase: SecretText) -> AsyncTask<Work<Wrapping>> {
    Work::of(move || wrapping(&passphrase))
}

/// PKCS#8 in DER, or with `pem` as text. Whoever gets the bytes wipes them.
#[napi]
pub type Exported = Either<SecretText, Uint8Array>;

fn write(key: &SigningKey, pem: bool, wrapping: Option<Wrapping>) -> xbind::Result<Exported> {
    Ok(match (pem, wrapping) {
        (false, None) => Either::B(Uint8Array::with_data_copied(pkcs8::encode_der(key).as_slice())),
        (false, Some(wrapping)) => Either::B(Uint8Array::with_data_copied(wrapping.encrypt_der(key)?.as_slice())),
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
