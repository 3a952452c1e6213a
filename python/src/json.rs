//! Payloads on their way out: JSON text of what is plain data. One pass, in which nothing of the value's own code runs but
//! `other`, which makes plain data of everything else.

use std::fmt::Write;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use xbind::message::payload::MAX_DEPTH;

pyo3::create_exception!(private_me._native, Unfit, PyValueError, "What JSON cannot hold.");

/// The largest whole number that every language reads as it is written: 2^53 - 1.
const MOST: i64 = 9_007_199_254_740_991;

pyo3::create_exception!(private_me._native, TooLong, PyValueError, "JSON text of more bytes than are wanted.");

entries! {
    /// JSON text of a value, in about `longest` bytes at most: a few lists that hold each other can stand for more than any text
    /// holds. `other` is asked for what is no plain data.
    fn encode(value: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>, longest: usize) -> PyResult<String> {
        let mut text = Text { written: String::new(), longest };
        write(&mut text, value, other, 0)?;
        Ok(text.written)
    }
}

/// What is written, and how long it may become before nothing more is.
struct Text {
    written: String,
    longest: usize,
}

impl Text {
    /// Whether it may go on, and with so many bytes at the least.
    fn has_room_for(&self, more: usize) -> PyResult<()> {
        if self.written.len().saturating_add(more) > self.longest {
            return Err(TooLong::new_err(()));
        }
        Ok(())
    }
}

fn write(text: &mut Text, value: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    text.has_room_for(1)?;
    if let Ok(string) = value.cast::<PyString>() {
        return quote(text, string);
    }
    if value.is_none() {
        text.written.push_str("null");
    } else if let Ok(value) = value.cast::<PyBool>() {
        text.written.push_str(if value.is_true() { "true" } else { "false" });
    } else if value.is_instance_of::<PyInt>() {
        let whole = value.extract::<i64>().ok().filter(|whole| (-MOST..=MOST).contains(whole));
        let _ = write!(
            text.written,
            "{}",
            whole.ok_or_else(|| unfit("is a whole number beyond 2^53, which other languages would round"))?
        );
    } else if let Ok(value) = value.cast::<PyFloat>() {
        number(text, value.value())?;
    } else {
        if depth >= MAX_DEPTH {
            return Err(unfit("is more than 128 levels deep, or holds itself"));
        }
        let deeper = depth.saturating_add(1);
        if let Ok(dict) = value.cast::<PyDict>() {
            object(text, dict, other, deeper)?;
        } else if let Ok(list) = value.cast::<PyList>() {
            array(text, &list.to_tuple(), other, deeper)?;
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            array(text, tuple, other, deeper)?;
        } else {
            write(text, &other.call1((value,))?, other, deeper)?;
        }
    }
    Ok(())
}

/// Of a copy: whatever `other` runs cannot change it meanwhile.
fn object(text: &mut Text, dict: &Bound<'_, PyDict>, other: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    text.written.push('{');
    for (at, item) in dict.items().iter().enumerate() {
        let item = item.cast_into::<PyTuple>()?;
        if at > 0 {
            text.written.push(',');
        }
        let key = item.get_item(0)?;
        quote(text, key.cast::<PyString>().map_err(|_| unfit("has a key that is no string"))?)?;
        text.written.push(':');
        write(text, &item.get_item(1)?, other, depth)?;
    }
    text.written.push('}');
    Ok(())
}

fn array(text: &mut Text, tuple: &Bound<'_, PyTuple>, other: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    text.written.push('[');
    for (at, item) in tuple.iter().enumerate() {
        if at > 0 {
            text.written.push(',');
        }
        write(text, &item, other, depth)?;
    }
    text.written.push(']');
    Ok(())
}

fn quote(text: &mut Text, string: &Bound<'_, PyString>) -> PyResult<()> {
    let string = string.to_str().map_err(|_| unfit("holds half of a surrogate pair"))?;
    text.has_room_for(string.len())?;
    text.written.push_str(&serde_json::to_string(string).map_err(|_| unfit("is no text"))?);
    Ok(())
}

fn number(text: &mut Text, value: f64) -> PyResult<()> {
    if !value.is_finite() {
        return Err(unfit("is no finite number"));
    }
    text.written.push_str(&serde_json::to_string(&value).map_err(|_| unfit("is no finite number"))?);
    Ok(())
}

fn unfit(why: &'static str) -> PyErr {
    Unfit::new_err(why)
}
