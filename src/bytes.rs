//! Bytes and secrets. JavaScript may write into its memory at any time, from another thread too, so bytes are
//! copied once before anything looks at them, and what was checked is what is used. No entry takes bytes in another way.

use std::hint::black_box;
use std::ptr;

use napi::bindgen_prelude::{BufferSlice, FromNapiValue, ToNapiValue, ValidateNapiValue};
use napi::{Env, Error, Result, Status, check_status, sys};
use zeroize::Zeroizing;

/// The bytes of a Uint8Array.
pub type Bytes = Copied<Vec<u8>>;

/// The bytes of a Uint8Array that are secret: wiped when dropped.
pub type SecretBytes = Copied<Zeroizing<Vec<u8>>>;

#[derive(Default)]
pub struct Copied<B>(pub B);

impl<B: AsRef<[u8]>> Copied<B> {
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl<B: From<Vec<u8>>> FromNapiValue for Copied<B> {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: whoever calls this vouches for environment and value.
        unsafe { copied(env, value) }.map(|bytes| Self(bytes.into()))
    }
}

/// On their way out they are copied as well, into JavaScript's own memory.
impl<B: AsRef<[u8]>> ToNapiValue for Copied<B> {
    unsafe fn to_napi_value(env: sys::napi_env, bytes: Self) -> Result<sys::napi_value> {
        let copy = BufferSlice::copy_from(&Env::from_raw(env), bytes.as_slice())?;
        // SAFETY: whoever calls this vouches for the environment.
        unsafe { BufferSlice::to_napi_value(env, copy) }
    }
}

impl<B> ValidateNapiValue for Copied<B> {
    unsafe fn validate(env: sys::napi_env, value: sys::napi_value) -> Result<sys::napi_value> {
        // SAFETY: the same.
        unsafe { place(env, value) }.map(|_| ptr::null_mut())
    }
}

named! { Object, Copied<B>, B; String, SecretText }

/// The one place where bytes are read out of JavaScript's memory.
unsafe fn copied(env: sys::napi_env, value: sys::napi_value) -> Result<Vec<u8>> {
    // SAFETY: the same; the out pointers are valid, and those that are null are not asked for.
    let (data, length) = unsafe { place(env, value) }?;
    let mut bytes: Vec<u8> = Vec::new();
    bytes.try_reserve_exact(length).map_err(|_| no_memory())?;
    if !data.is_null() {
        // SAFETY: the array has `length` bytes at `data`, which stay in place while we are here; those of a detached array
        // are none. Another thread may write meanwhile: each byte is then read before or after, and never again.
        unsafe {
            ptr::copy_nonoverlapping(data, bytes.as_mut_ptr(), length);
            bytes.set_len(length);
        }
    }
    // No optimisation may read the array where the copy is meant.
    Ok(black_box(bytes))
}

/// Without memory a call ends, and not the process.
pub fn no_memory() -> Error {
    Error::new(Status::GenericFailure, "no memory for so many bytes")
}

unsafe fn place(env: sys::napi_env, value: sys::napi_value) -> Result<(*const u8, usize)> {
    let (mut kind, mut length, mut data) = (-1, 0, ptr::null_mut());
    // SAFETY: as in `copied`.
    let status = unsafe {
        sys::napi_get_typedarray_info(env, value, &mut kind, &mut length, &mut data, ptr::null_mut(), ptr::null_mut())
    };
    check_status!(status, "not a Uint8Array")?;
    if kind == sys::TypedarrayType::uint8_array {
        Ok((data.cast_const().cast(), length))
    } else {
        Err(Error::new(Status::InvalidArg, "not a Uint8Array"))
    }
}

/// A text that is secret: wiped when dropped.
pub struct SecretText(pub Zeroizing<String>);

impl FromNapiValue for SecretText {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: whoever calls this vouches for environment and value.
        unsafe { String::from_napi_value(env, value) }.map(|text| Self(Zeroizing::new(text)))
    }
}

impl ToNapiValue for SecretText {
    unsafe fn to_napi_value(env: sys::napi_env, text: Self) -> Result<sys::napi_value> {
        // SAFETY: whoever calls this vouches for the environment.
        unsafe { <&str>::to_napi_value(env, &text.0) }
    }
}

impl ValidateNapiValue for SecretText {}
