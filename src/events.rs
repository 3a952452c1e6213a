//! A list of JavaScript's values, as `xbind-binding` fills it with what happened.

#[cfg(feature = "test-hooks")]
use std::sync::atomic::Ordering::SeqCst;

use napi::bindgen_prelude::{Array, Env, ToNapiValue, Uint8Array};
use napi::sys;
use xbind_binding::events::{Letter, List, Value, write_letters};
use xbind_binding::number::number;

use crate::convert::BindingError;

pub struct Flat<'env> {
    env: &'env Env,
    array: Array<'env>,
    next: u32,
}

impl<'env> Flat<'env> {
    /// Room for so many elements is left out at its beginning.
    pub fn new(env: &'env Env, first: u32) -> napi::Result<Self> {
        Ok(Self { env, array: env.create_array(first)?, next: first })
    }

    /// The array; what was cut off may still stand behind the end.
    pub fn finish(self) -> Array<'env> {
        self.array
    }

    fn set(&mut self, value: impl ToNapiValue) -> napi::Result<()> {
        self.array.set(self.next, value)?;
        self.next = self.next.saturating_add(1);
        Ok(())
    }
}

impl List for Flat<'_> {
    type Error = napi::Error;
    type Mark = u32;

    fn push(&mut self, value: Value<'_>) -> napi::Result<()> {
        #[cfg(feature = "test-hooks")]
        if matches!(value, Value::Text(_) | Value::Bytes(_)) && crate::hooks::UNCONVERTIBLE_NEXT.swap(false, SeqCst) {
            return Err(napi::Error::from_reason("asked for by a test"));
        }
        match value {
            Value::None => self.set(None::<u32>),
            Value::Small(value) => self.set(value),
            Value::Whole(value) => self.set(number(value)),
            Value::Number(value) => self.set(value),
            Value::Text(text) if text.is_ascii() => self.set(self.env.create_string_latin1(text)?),
            Value::Text(text) => self.set(text),
            Value::Bytes(bytes) => self.set(Uint8Array::new(bytes)),
            Value::Failure(error) => self.set(BindingError::from(error)),
        }
    }

    fn mark(&self) -> u32 {
        self.next
    }

    fn cut(&mut self, mark: u32) {
        self.next = mark;
    }
}

/// Messages of an inbox.
pub struct Letters(Vec<Letter>);

give! {
    [] Vec<Letter> => Letters: |letters| Self(letters);
}

impl ToNapiValue for Letters {
    unsafe fn to_napi_value(env: sys::napi_env, Self(letters): Self) -> napi::Result<sys::napi_value> {
        let env = Env::from_raw(env);
        let mut flat = Flat::new(&env, 0)?;
        write_letters(&mut flat, letters)?;
        // SAFETY: whoever calls this vouches for the environment.
        unsafe { Array::to_napi_value(env.raw(), flat.array) }
    }
}
