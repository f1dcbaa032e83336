//! What whoever runs the benchmark may choose, by environment variables.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use crate::Outcome;

/// How long each row is timed: `BODEGA_BENCH_SECONDS`, 6 if nothing is said.
pub(crate) fn duration() -> Outcome<Duration> {
    let Some(text) = chosen("BODEGA_BENCH_SECONDS") else {
        return Ok(Duration::from_secs(6));
    };
    match text.parse() {
        Ok(seconds @ 1..=3600) => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("BODEGA_BENCH_SECONDS is {text:?} and should be a number from 1 to 3600").into()),
    }
}

/// Sizes of catalogues to compare, in products: `BODEGA_BENCH_SIZES`, separated by commas; none if nothing is said.
pub(crate) fn sizes() -> Outcome<Vec<usize>> {
    let text = chosen("BODEGA_BENCH_SIZES").unwrap_or_default();
    let sizes = text.split(',').map(str::trim).filter(|size| !size.is_empty());
    let sizes = sizes.map(|size| match size.parse() {
        Ok(size @ 100..=10_000_000) => Ok(size),
        _ => Err(format!("BODEGA_BENCH_SIZES has {size:?} and should have numbers from 100 to 10000000").into()),
    });
    sizes.collect()
}

/// A catalogue to use, for `bodega import`: `BODEGA_BENCH_CATALOGUE`; made up if nothing is said.
pub(crate) fn catalogue() -> Option<PathBuf> {
    chosen("BODEGA_BENCH_CATALOGUE").map(PathBuf::from)
}

/// Where the data directory is made: `BODEGA_BENCH_DIRECTORY`, `/var/tmp` if nothing is said. It should be on the disk that
/// a shop would use, and as root every account must be able to pass through.
pub(crate) fn directory() -> PathBuf {
    chosen("BODEGA_BENCH_DIRECTORY").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from)
}

/// Which rows to run, all if nothing is said: `BODEGA_BENCH_ROWS`, names separated by commas.
pub(crate) fn is_wanted(row: &str) -> bool {
    chosen("BODEGA_BENCH_ROWS").is_none_or(|names| names.split(',').any(|name| name.trim() == row))
}

/// Whether to print the costliest statements of each row: `BODEGA_BENCH_STATEMENTS`, set to anything.
pub(crate) fn are_statements_wanted() -> bool {
    chosen("BODEGA_BENCH_STATEMENTS").is_some()
}

fn chosen(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
