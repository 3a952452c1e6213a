//! The Node.js face: converts between JavaScript and the crates, and forwards. It decides nothing, and it makes no
//! JavaScript errors: failures cross the border as data, because errors must be made in the caller's realm.

#![expect(unreachable_pub, reason = "what napi exports must be `pub`, though no Rust crate can reach it")]

/// What the addon exports: `= …` is asked with the arguments as [`Pass`](pass::Pass) hands them on, and what it says is
/// given back as [`Give`](pass::Give) converts it. `as` is the type where TypeScript cannot see it. A panic ends the call
/// that met it, and bytes come in as `bytes.rs` takes them.
macro_rules! entries {
    ($($(#[$($about:tt)*])* fn $name:ident $takes:tt $(-> $gives:ty)? $(as $ts:literal)? $(= $asks:expr;)? $($body:block)?)*) => {$(
        $(#[$($about)*])*
        #[allow(clippy::too_many_arguments, reason = "an object would cost more to take apart")]
        #[napi_derive::napi(catch_unwind $(, ts_return_type = $ts)?)]
        pub fn $name $takes $(-> $gives)? $({ forward!($asks, $takes) })? $($body)?
    )*};
}

/// Finds the names of the arguments. A type with a comma needs an alias.
macro_rules! forward {
    ($asks:expr, ($($takes:tt)*)) => { forward!($asks, [] $($takes)*) };
    ($asks:expr, [$($arg:ident)*]) => {{
        $(let mut $arg = $arg;)*
        crate::pass::Give::give($asks($(crate::pass::Pass::pass(&mut $arg)),*))
    }};
    ($asks:expr, [$($arg:ident)*] $(#[$($_about:tt)*])? $next:ident : $($rest:tt)*) => {
        forward!(@type $asks, [$($arg)* $next] $($rest)*)
    };
    (@type $asks:expr, [$($arg:ident)*]) => { forward!($asks, [$($arg)*]) };
    (@type $asks:expr, [$($arg:ident)*] , $($rest:tt)*) => { forward!($asks, [$($arg)*] $($rest)*) };
    (@type $asks:expr, [$($arg:ident)*] $_type:tt $($rest:tt)*) => { forward!(@type $asks, [$($arg)*] $($rest)*) };
}

/// How a type is handed on: [`Pass`](pass::Pass) for `type => what is asked takes`.
macro_rules! pass {
    ($([$($of:tt)*] $type:ty => $to:ty: |$value:ident| $pass:expr;)*) => {$(
        impl<$($of)*> crate::pass::Pass for $type {
            type To<'a> = $to where Self: 'a;

            fn pass(&mut self) -> Self::To<'_> { let $value = self; $pass }
        }
    )*};
}

/// How a result is given back: [`Give`](pass::Give) for `what is asked gives => type`.
macro_rules! give {
    ($([$($of:tt)*] $from:ty => $type:ty: |$value:pat_param| $give:expr;)*) => {$(
        impl<$($of)*> crate::pass::Give<$from> for $type {
            fn give($value: $from) -> Self { $give }
        }
    )*};
}

/// What napi calls a type in its errors.
macro_rules! named {
    ($($kind:ident, $type:ty $(, $param:ident)?);*) => {$(
        impl $(<$param>)? napi::bindgen_prelude::TypeName for $type {
            fn type_name() -> &'static str { stringify!($kind) }

            fn value_type() -> napi::ValueType { napi::ValueType::$kind }
        }
    )*};
}

mod bytes;
mod convert;
mod events;
mod http;
mod key;
mod message;
mod net;
mod pass;
mod port;
mod record;
mod revocation;
mod rights;

#[cfg(feature = "test-hooks")]
mod hooks {
    use std::sync::atomic::{AtomicBool, Ordering};

    pub static UNCONVERTIBLE_NEXT: AtomicBool = AtomicBool::new(false);

    entries! {
        /// The next text or bytes of an event cannot cross to JavaScript.
        fn unconvertible_next() { UNCONVERTIBLE_NEXT.store(true, Ordering::SeqCst); }
        /// The next message to be sealed in this process panics instead.
        fn panic_next() = xbind_runtime::hooks::panic_next;
    }
}
