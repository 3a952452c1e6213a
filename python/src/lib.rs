//! The Python face: converts between Python and the crates, and forwards. It decides nothing. Failures are raised as the
//! `XBindError` of the Python layer; bytes come in as `bytes` alone, which nobody can change.
#![forbid(unsafe_code)]

/// What the module exports: `= …` is asked with the arguments as [`Pass`](pass::Pass) hands them on, and what it says is
/// given back as [`Give`](pass::Give) converts it. `add` puts all of a table into the module.
macro_rules! entries {
    ($($(#[$($about:tt)*])* fn $name:ident $takes:tt $(-> $gives:ty)? $(= $asks:expr;)? $($body:block)?)*) => {
        $(
            $(#[$($about)*])*
            #[pyo3::pyfunction]
            #[allow(clippy::too_many_arguments, reason = "an object would cost more to take apart")]
            #[allow(clippy::needless_pass_by_value, reason = "what Python gives is ours")]
            fn $name $takes $(-> $gives)? $({ forward!($asks, $takes) })? $($body)?
        )*

        pub(crate) fn add(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            use pyo3::types::PyModuleMethods;
            $(module.add_function(pyo3::wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

/// Finds the names of the arguments. A type with a comma needs an alias.
macro_rules! forward {
    ($asks:expr, ($($takes:tt)*)) => { forward!($asks, [] $($takes)*) };
    ($asks:expr, [$($arg:ident)*]) => {{
        $(let mut $arg = crate::pass::Enter::enter($arg);)*
        crate::pass::Give::give($asks($(crate::pass::Pass::pass(&mut $arg)),*))
    }};
    ($asks:expr, [$($arg:ident)*] $next:ident : $($rest:tt)*) => { forward!(@type $asks, [$($arg)* $next] $($rest)*) };
    (@type $asks:expr, [$($arg:ident)*]) => { forward!($asks, [$($arg)*]) };
    (@type $asks:expr, [$($arg:ident)*] , $($rest:tt)*) => { forward!($asks, [$($arg)*] $($rest)*) };
    (@type $asks:expr, [$($arg:ident)*] $_type:tt $($rest:tt)*) => { forward!(@type $asks, [$($arg)*] $($rest)*) };
}

/// What Python keeps in its hand: one lock for each, because any thread may hold it.
macro_rules! kept {
    ($($(#[$($about:tt)*])* $name:ident($type:ty);)*) => {$(
        $(#[$($about)*])*
        #[pyo3::pyclass(frozen, module = "private_me._native")]
        pub(crate) struct $name(std::sync::Mutex<$type>);

        impl From<$type> for $name {
            fn from(value: $type) -> Self {
                Self(std::sync::Mutex::new(value))
            }
        }

        impl<'a> crate::pass::Enter for &'a $name {
            type Entered = std::sync::MutexGuard<'a, $type>;

            fn enter(self) -> Self::Entered {
                self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
            }
        }

        impl crate::pass::Give<$type> for $name {
            fn give(value: $type) -> Self {
                value.into()
            }
        }
    )*};
}

use pyo3::types::PyModuleMethods;

mod authority;
mod events;
mod http;
mod json;
mod key;
mod message;
mod nats;
mod net;
mod pass;
mod port;
mod record;
mod rights;
mod soon;
mod wake;

/// The native side of `private_me`.
#[pyo3::pymodule(gil_used = false)]
fn _native(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
    for add in [
        authority::add,
        http::add,
        json::add,
        key::add,
        message::add,
        nats::add,
        net::add,
        port::add,
        record::add,
        rights::add,
    ] {
        add(module)?;
    }
    module.add("TooLong", module.py().get_type::<json::TooLong>())?;
    module.add("Unfit", module.py().get_type::<json::Unfit>())
}
