//! Addresses that stay a test's own while nobody listens there.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Ports below the ones that systems give to connections and to listeners that ask for any. One of those would be given
/// to somebody else as soon as a test kills the process that has it.
const FIRST: u32 = 12_000;
const COUNT: u32 = 20_000;

static GIVEN: AtomicU32 = AtomicU32::new(0);

/// An address at which nobody listens yet, and which no other test is given.
pub(super) fn own_address() -> SocketAddr {
    // Different test processes at once begin at different places.
    let start = process::id().wrapping_mul(997);
    let address = |given: u32| {
        let port = FIRST + start.wrapping_add(given) % COUNT;
        SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap()))
    };
    let mut tried = (0..COUNT).map(|_| address(GIVEN.fetch_add(1, Ordering::Relaxed)));
    tried.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}
