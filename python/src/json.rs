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

/// The longest text: a few lists that hold each other can stand for more, and it would not end.
const LONGEST: usize = 1 << 29;

entries! {
    /// JSON text of a value. `other` is asked for what is no plain data.
    fn encode(value: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>) -> PyResult<String> {
        let mut text = String::new();
        write(&mut text, value, other, 0)?;
        Ok(text)
    }
}

fn write(text: &mut String, value: &Bound<'_, PyAny>, other: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    if text.len() > LONGEST {
        return Err(unfit("is too much for any text"));
    }
    if let Ok(string) = value.cast::<PyString>() {
        return quote(text, string);
    }
    if value.is_none() {
        text.push_str("null");
    } else if let Ok(value) = value.cast::<PyBool>() {
        text.push_str(if value.is_true() { "true" } else { "false" });
    } else if value.is_instance_of::<PyInt>() {
        let whole = value.extract::<i64>().ok().filter(|whole| (-MOST..=MOST).contains(whole));
        let _ = write!(
            text,
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
fn object(text: &mut String, dict: &Bound<'_, PyDict>, other: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    text.push('{');
    for (at, item) in dict.items().iter().enumerate() {
        let item = item.cast_into::<PyTuple>()?;
        if at > 0 {
            text.push(',');
        }
        let key = item.get_item(0)?;
        quote(text, key.cast::<PyString>().map_err(|_| unfit("has a key that is no string"))?)?;
        text.push(':');
        write(text, &item.get_item(1)?, other, depth)?;
    }
    text.push('}');
    Ok(())
}

fn array(text: &mut String, tuple: &Bound<'_, PyTuple>, other: &Bound<'_, PyAny>, depth: usize) -> PyResult<()> {
    text.push('[');
    for (at, item) in tuple.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        write(text, &item, other, depth)?;
    }
    text.push(']');
    Ok(())
}

fn quote(text: &mut String, string: &Bound<'_, PyString>) -> PyResult<()> {
    let string = string.to_str().map_err(|_| unfit("holds half of a surrogate pair"))?;
    text.push_str(&serde_json::to_string(string).map_err(|_| unfit("is no text"))?);
    Ok(())
}

fn number(text: &mut String, value: f64) -> PyResult<()> {
    if !value.is_finite() {
        return Err(unfit("is no finite number"));
    }
    text.push_str(&serde_json::to_string(&value).map_err(|_| unfit("is no finite number"))?);
    Ok(())
}

fn unfit(why: &'static str) -> PyErr {
    Unfit::new_err(why)
}
