//! Bytes and secrets on their way in. JavaScript may write into its memory at any time, from another thread too, so bytes are
//! copied once before anything looks at them, and what was checked is what is used. No entry takes bytes in another way.

use std::hint::black_box;
use std::ptr;

use napi::bindgen_prelude::{FromNapiValue, ToNapiValue, TypeName, ValidateNapiValue};
use napi::{Error, Result, Status, ValueType, check_status, sys};
use zeroize::Zeroizing;

/// The bytes of a Uint8Array.
pub struct Bytes(Vec<u8>);

impl Bytes {
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }

    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

/// The bytes of a Uint8Array that are secret: wiped when dropped.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

/// A text that is secret: wiped when dropped.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for SecretText {
    fn from(text: Zeroizing<String>) -> Self {
        Self(text)
    }
}

impl FromNapiValue for Bytes {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: whoever calls this vouches for environment and value.
        unsafe { copied(env, value) }.map(Self)
    }
}

impl FromNapiValue for SecretBytes {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        // SAFETY: the same.
        unsafe { copied(env, value) }.map(|bytes| Self(Zeroizing::new(bytes)))
    }
}

/// The one place where bytes are read out of JavaScript's memory.
unsafe fn copied(env: sys::napi_env, value: sys::napi_value) -> Result<Vec<u8>> {
    // SAFETY: the same; the out pointers are valid, and those that are null are not asked for.
    let (data, length) = unsafe { place(env, value) }?;
    let mut bytes: Vec<u8> = Vec::new();
    // Without memory this call ends, and not the process.
    bytes.try_reserve_exact(length).map_err(|_| Error::new(Status::GenericFailure, "no memory for so many bytes"))?;
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

impl FromNapiValue for SecretText {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let mut length = 0;
        // SAFETY: without a place to write to, only the length is told.
        let status = unsafe { sys::napi_get_value_string_utf8(env, value, ptr::null_mut(), 0, &mut length) };
        check_status!(status, "not a string")?;
        let mut bytes = Zeroizing::new(vec![0_u8; length.saturating_add(1)]);
        // SAFETY: the text and the 0 behind it have room.
        let status =
            unsafe { sys::napi_get_value_string_utf8(env, value, bytes.as_mut_ptr().cast(), bytes.len(), &mut length) };
        check_status!(status, "not a string")?;
        bytes.truncate(length);
        let text = String::from_utf8(std::mem::take(&mut *bytes));
        text.map(|text| Self(Zeroizing::new(text))).map_err(|error| {
            drop(Zeroizing::new(error.into_bytes()));
            Error::new(Status::InvalidArg, "not UTF-8")
        })
    }
}

impl ToNapiValue for SecretText {
    unsafe fn to_napi_value(env: sys::napi_env, text: Self) -> Result<sys::napi_value> {
        // SAFETY: whoever calls this vouches for the environment.
        unsafe { <&str>::to_napi_value(env, text.as_str()) }
    }
}

macro_rules! types {
    ($($name:ident, $text:literal, $kind:ident;)*) => {$(
        impl TypeName for $name {
            fn type_name() -> &'static str {
                $text
            }

            fn value_type() -> ValueType {
                ValueType::$kind
            }
        }
    )*};
}

types! {
    Bytes, "Uint8Array", Object;
    SecretBytes, "Uint8Array", Object;
    SecretText, "String", String;
}

impl ValidateNapiValue for SecretText {}

impl ValidateNapiValue for Bytes {
    unsafe fn validate(env: sys::napi_env, value: sys::napi_value) -> Result<sys::napi_value> {
        // SAFETY: as in `copied`.
        unsafe { place(env, value) }.map(|_| ptr::null_mut())
    }
}

impl ValidateNapiValue for SecretBytes {
    unsafe fn validate(env: sys::napi_env, value: sys::napi_value) -> Result<sys::napi_value> {
        // SAFETY: as in `copied`.
        unsafe { place(env, value) }.map(|_| ptr::null_mut())
    }
}
