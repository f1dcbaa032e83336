//! How many files a process may have open: each connection is one. Systems begin with 1,024 or fewer, and leave it to the
//! process to ask for what its operator allows.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open besides the connections of buyers: the database's, the search index, calls between processes.
const BESIDES: u64 = 4_096;

/// Asks for as many open files as `connections` need; warns where fewer are allowed.
pub(super) fn allow(connections: usize) {
    let wanted = BESIDES.saturating_add(connections.try_into().unwrap_or(u64::MAX));
    let limit = getrlimit(Resource::Nofile);
    let Some(more) = more(limit, wanted) else { return };
    let current = Some(more);
    let allowed = match setrlimit(Resource::Nofile, Rlimit { current, ..limit }) {
        Ok(()) => more,
        Err(_) => limit.current.unwrap_or(more),
    };
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "fewer files may be open than `limits.connections` needs: raise the limit (ulimit -n, LimitNOFILE) or lower that"
        );
    }
}

/// What the limit is to be, where it is less than wanted.
fn more(limit: Rlimit, wanted: u64) -> Option<u64> {
    let current = limit.current.filter(|current| *current < wanted)?;
    let most = limit.maximum.unwrap_or(wanted);
    Some(wanted.min(most).max(current))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_files_are_asked_for_as_are_wanted_and_allowed() {
        let limit = |current, maximum| Rlimit { current, maximum };
        assert_eq!(more(limit(Some(1_024), Some(524_288)), 14_096), Some(14_096));
        assert_eq!(more(limit(Some(1_024), Some(4_096)), 14_096), Some(4_096));
        assert_eq!(more(limit(Some(256), None), 14_096), Some(14_096));
        assert_eq!(more(limit(Some(20_000), Some(20_000)), 14_096), None);
        assert_eq!(more(limit(None, None), 14_096), None);
    }

    #[test]
    fn the_system_grants_what_it_allows() {
        let before = getrlimit(Resource::Nofile);
        allow(1);
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.current.max(more(before, BESIDES + 1)), after.current);
        assert_eq!(after.maximum, before.maximum);
    }
}
