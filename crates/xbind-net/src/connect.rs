use std::net::SocketAddr;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::FetchError;

/// A connection to one of these addresses, tried in their order; each gets its share of the time that is left.
pub(crate) async fn connect(addresses: &[SocketAddr], deadline: Instant) -> Result<TcpStream, FetchError> {
    let untried = (1..=u32::try_from(addresses.len()).unwrap_or(u32::MAX)).rev();
    for (address, untried) in addresses.iter().zip(untried) {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left.checked_div(untried).unwrap_or(left);
        if let Ok(Ok(stream)) = timeout(share, TcpStream::connect(address)).await {
            return Ok(stream);
        }
    }
    Err(FetchError::NoConnection)
}
