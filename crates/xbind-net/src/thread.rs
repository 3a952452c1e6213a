use std::sync::{Mutex, PoisonError};
use std::thread;

use tokio::runtime::{Builder, Handle};

use crate::FetchError;

/// Threads for what cannot but block: looking names up, for owners and strangers.
const MAX_BLOCKING: usize = 16;

static STARTED: Mutex<Option<Handle>> = Mutex::new(None);

/// The thread of this crate: started by the first who asks for it, and then there, asleep while nothing happens. It ends
/// with the process and keeps none alive.
pub(crate) fn handle() -> Result<Handle, FetchError> {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    match &*started {
        Some(handle) => Ok(handle.clone()),
        None => Ok(started.insert(start().map_err(|_| FetchError::Internal)?).clone()),
    }
}

fn start() -> std::io::Result<Handle> {
    let runtime = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name("xbind-net-names")
        .build()?;
    let handle = runtime.handle().clone();
    thread::Builder::new()
        .name("xbind-net".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    Ok(handle)
}
