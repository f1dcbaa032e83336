//! The relevance benchmark: how good the first ten of a search are, by what people judged.
//!
//! ```text
//! BODEGA_BENCH_CATALOGUE=products.ndjson.gz BODEGA_BENCH_JUDGEMENTS=judgements.csv cargo bench --bench relevance
//! ```
//!
//! `benches/README.md` says what is measured.

mod full_text;
mod gain;
mod judgements;
mod store;

use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use full_text::FullText;
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
        let as_written = figures(&store, &judgements, str::to_owned).await?;
        let with_slips = figures(&store, &judgements, gain::with_slips).await?;
        println!("nDCG@{SHOWN} of {} queries", judgements.queries().len());
        report("as written", &as_written, AIM);
        report("with slips", &with_slips, AIM_WITH_SLIPS * mean(&as_written));
        Ok::<_, Box<dyn Error>>(())
    })?;
    let mut full_text = FullText::over(&store.socket())?;
    let alone = judgements.queries().iter().map(|(query, ratings)| {
        let found = full_text.search(query, SHOWN)?;
        Ok(gain::ndcg(&ids(found), ratings, SHOWN))
    });
    let alone: Vec<f64> = alone.collect::<Outcome<_>>()?;
    println!("{:<12} {:.4}", "PostgreSQL", mean(&alone));
    Ok(())
}

/// The catalogue's own ids of products: their SKUs are `IC-` and the id.
fn ids(skus: Vec<String>) -> Vec<String> {
    let id = |sku: String| sku.trim_start_matches("IC-").to_owned();
    skus.into_iter().map(id).collect()
}

fn report(name: &str, figures: &[f64], aim: f64) {
    let all = mean(figures);
    let verdict = if all < aim { "MISSED" } else { "ok" };
    let error = standard_error(figures);
    let half = |first: usize| mean(&figures.iter().copied().skip(first).step_by(2).collect::<Vec<_>>());
    let (one, other) = (half(0), half(1));
    println!("{name:<12} {all:.4} +- {error:.4}   halves {one:.4} {other:.4}   aim {aim:.4}   {verdict}");
}

fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / count(figures)
}

/// By how much the mean of as many other queries would differ.
fn standard_error(figures: &[f64]) -> f64 {
    let middle = mean(figures);
    let squares: f64 = figures.iter().map(|figure| (figure - middle).powi(2)).sum();
    (squares / count(figures)).sqrt() / count(figures).sqrt()
}

fn count(figures: &[f64]) -> f64 {
    f64::from(u32::try_from(figures.len().max(1)).unwrap_or(u32::MAX))
}

/// The figure of each query, told one by one where `BODEGA_BENCH_VERBOSE` is set.
async fn figures(store: &Store, judgements: &Judgements, written: impl Fn(&str) -> String) -> Outcome<Vec<f64>> {
    let is_verbose = std::env::var_os("BODEGA_BENCH_VERBOSE").is_some();
    let mut figures = Vec::new();
    for (query, ratings) in judgements.queries() {
        let found = store.search(&written(query), SHOWN).await?;
        let score = gain::ndcg(&ids(found), ratings, SHOWN);
        if is_verbose {
            println!("{score:.3} {}", written(query));
        }
        figures.push(score);
    }
    Ok(figures)
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
