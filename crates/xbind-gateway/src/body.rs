//! The body of a request, within bounds: room is taken for what has come, not for what somebody says will come.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body as _, Bytes, Incoming};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::app::App;
use crate::problem::{Kind, Problem, Result};

/// A permit of the bodies that wait is for so many bytes.
pub(crate) const UNIT: usize = 1024;
/// How long a body may take to come.
const BODY: Duration = Duration::from_secs(60);

/// The body, and the room that it takes.
///
/// # Errors
/// `too-large`, `busy`, `malformed`, `too-slow`.
pub(crate) async fn read(app: &App, body: Incoming) -> Result<(Bytes, OwnedSemaphorePermit)> {
    let most = app.config.limits.body_bytes;
    let is_too_large = |length: u64| length > u64::try_from(most).unwrap_or(u64::MAX);
    if is_too_large(body.size_hint().lower()) {
        return Err(too_large(most));
    }
    match timeout(BODY, gather(app, body, most)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(Kind::TooSlow, "the body did not come in time")),
    }
}

async fn gather(app: &App, mut body: Incoming, most: usize) -> Result<(Bytes, OwnedSemaphorePermit)> {
    let mut room = more(app, 1)?;
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::malformed("the body ended before its end"))?;
        let Ok(piece) = frame.into_data() else { continue };
        let length = all.len().saturating_add(piece.len());
        if length > most {
            return Err(too_large(most));
        }
        let wanted = length.div_ceil(UNIT).saturating_sub(room.num_permits());
        if wanted > 0 {
            room.merge(more(app, wanted)?);
        }
        all.extend_from_slice(&piece);
    }
    all.shrink_to_fit();
    Ok((all.into(), room))
}

fn more(app: &App, units: usize) -> Result<OwnedSemaphorePermit> {
    let units = u32::try_from(units).unwrap_or(u32::MAX);
    app.bodies
        .clone()
        .try_acquire_many_owned(units)
        .map_err(|_| Problem::new(Kind::Busy, "the bodies of other requests take all the room that there is"))
}

fn too_large(most: usize) -> Problem {
    Problem::new(Kind::TooLarge, format!("a body has {most} bytes at most"))
}
