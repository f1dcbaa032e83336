//! The relevance benchmark: how good the first ten of a search are, by what people judged.
//!
//! ```text
//! BODEGA_BENCH_CATALOGUE=products.ndjson.gz BODEGA_BENCH_JUDGEMENTS=judgements.csv cargo bench --bench relevance
//! ```
//!
//! `benches/README.md` says what is measured.

mod gain;
mod judgements;
mod store;

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use judgements::Judgements;
use store::Store;

/// What everything here comes to, or a text that says what went wrong.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// How many results count.
const SHOWN: usize = 10;
/// What is aimed at: the mean, and how much of it is left with slips.
const AIM: f64 = 0.82;
const AIM_WITH_SLIPS: f64 = 0.9;

fn main() -> ExitCode {
    // `cargo test --all-targets` starts benchmarks, too.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("to run the relevance benchmark: cargo bench --bench relevance");
        return ExitCode::SUCCESS;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("relevance: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome<()> {
    let Some(catalogue) = file("BODEGA_BENCH_CATALOGUE") else {
        return Ok(());
    };
    let Some(judged) = file("BODEGA_BENCH_JUDGEMENTS") else {
        return Ok(());
    };
    let judgements = Judgements::read(&judged)?;
    let store = Store::start(&catalogue)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let as_written = mean(&store, &judgements, str::to_owned).await?;
        let with_slips = mean(&store, &judgements, gain::with_slips).await?;
        println!("nDCG@{SHOWN} of {} queries", judgements.queries().len());
        report("as written", as_written, AIM);
        report("with slips", with_slips, AIM_WITH_SLIPS * as_written);
        Ok(())
    })
}

fn report(name: &str, mean: f64, aim: f64) {
    let verdict = if mean < aim { "MISSED" } else { "ok" };
    println!("{name:<12} {mean:.4}   aim {aim:.4}   {verdict}");
}

/// The mean over all queries, each told one by one where `BODEGA_BENCH_VERBOSE` is set.
async fn mean(store: &Store, judgements: &Judgements, written: impl Fn(&str) -> String) -> Outcome<f64> {
    let is_verbose = std::env::var_os("BODEGA_BENCH_VERBOSE").is_some();
    let mut sum = 0.0;
    for (query, ratings) in judgements.queries() {
        let found = store.search(&written(query), SHOWN).await?;
        let score = gain::ndcg(&found, ratings, SHOWN);
        if is_verbose {
            println!("{score:.3} {}", written(query));
        }
        sum += score;
    }
    let count = u32::try_from(judgements.queries().len())?;
    Ok(sum / f64::from(count.max(1)))
}

/// Ratings of products by their ids.
type Ratings = HashMap<String, u32>;

/// The file that a variable names; says so where there is none.
fn file(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    let found = path.filter(|path| path.is_file());
    if found.is_none() {
        println!("relevance: skipped, as {variable} names no file");
    }
    found
}
