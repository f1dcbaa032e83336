//! The load benchmark: a real store on a fresh, durable database, beside what the machine could do at best.
//!
//! ```text
//! cargo bench --bench load
//! ```
//!
//! `benches/README.md` says what the rows mean. This file is the order of events.

mod catalogue;
mod client;
mod full_text;
mod hop;
mod load;
mod measure;
mod pgbench;
mod processes;
mod random;
mod references;
mod report;
mod scale;
mod scenarios;
mod settings;
mod statements;
mod static_route;
mod store;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;

use crate::catalogue::Catalogue;
use crate::measure::{Figures, Stage};
use crate::pgbench::Pgbench;
use crate::references::Rates;
use crate::report::{Aim, Bound, Row};
use crate::scenarios::{Adder, Buyer, Login, Orderer, Reader};
use crate::static_route::StaticRoute;
use crate::store::Home;

/// What everything here comes to, or a text that says what went wrong.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let is_argument = |wanted: &str| std::env::args().any(|argument| argument == wanted);
    let outcome = if is_argument(static_route::ARGUMENT) {
        static_route::serve()
    } else if is_argument("--bench") {
        run()
    } else {
        // `cargo test --all-targets` starts benchmarks, too.
        println!("to run the load benchmark: cargo bench --bench load");
        Ok(())
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// All visitors share this one thread: the cores are the store's.
fn run() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, async {
        tokio::select! {
            outcome = benchmark() => outcome,
            // What was started is stopped, and the data directory removed, as it is dropped.
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    })
}

async fn benchmark() -> Outcome<()> {
    let duration = settings::duration()?;
    let sizes = settings::sizes()?;
    if !sizes.is_empty() {
        return scale::measure(&sizes, duration).await;
    }
    let home = Home::new()?;
    let mut figures = Figures::default();
    open_shop(&home, &mut figures)?;
    let pgbench = Pgbench::find(&home)?;
    if pgbench.is_none() {
        println!("no pgbench on this machine: its rows and what is compared with them are left out");
    }
    let mut store = measure::start(&home, &mut figures)?;
    let watched = pgbench.as_ref().filter(|_| settings::are_statements_wanted());
    if let Some(pgbench) = watched {
        store = statements::watch(&home, pgbench, store)?;
    }
    if let Some(pgbench) = &pgbench {
        pgbench.settle_store()?;
        pgbench.prepare()?;
    }
    let static_route = StaticRoute::start()?;
    tell("references, before");
    let before = Rates::measure(&static_route, pgbench.as_ref(), duration).await?;
    let stage = Stage::new(&home, &store, duration, watched)?;
    let rows = measure_rows(&stage).await?;
    figures.resident_after = Some(processes::resident_bytes(store.process())?);
    tell("references, after");
    let after = Rates::measure(&static_route, pgbench.as_ref(), duration).await?;
    tell("verifying the books");
    let (_, verification) = home.run(&["verify"])?;
    figures.verification = Some(verification);
    store.stop()?;
    let hops = match settings::is_wanted("hop") {
        true => Some(hop::measure(&home, duration).await?),
        false => None,
    };
    print(&rows, before, after, &figures);
    if let Some(hops) = hops {
        hops.print();
    }
    Ok(())
}

/// Makes the database and fills the catalogue, as the operator of a new shop would.
fn open_shop(home: &Home, figures: &mut Figures) -> Outcome<()> {
    tell("a new database");
    figures.migration = Some(home.run(&["migrate"])?.0);
    let file = match settings::catalogue() {
        Some(file) => file,
        None => {
            let file = home.path().join("catalogue.ndjson");
            catalogue::write(&file)?;
            file
        }
    };
    tell("importing the catalogue");
    let (took, told) = home.run(&["import", &file.display().to_string()])?;
    println!("{}", told.trim_end());
    figures.import = Some(took);
    Ok(())
}

async fn measure_rows(stage: &Stage<'_>) -> Outcome<Vec<Row>> {
    let catalogue = Rc::new(Catalogue::read(stage.address).await?);
    println!(
        "{} products, {} variants to buy",
        catalogue.names.len(),
        catalogue.variants.len()
    );
    let mut rows = Vec::new();
    let wanted = settings::is_wanted;
    if wanted("list") {
        rows.push(stage.row("list of 24", Reader::of_list()).await?);
    }
    if wanted("detail") {
        rows.push(stage.row("detail", Reader::of_details(&catalogue)).await?);
    }
    if wanted("search") {
        rows.push(stage.row("search", Reader::of_searches(&catalogue)).await?);
    }
    if wanted("add") {
        let visitors = Adder::prepare(stage.address, &catalogue).await?;
        rows.push(stage.row("add to cart", visitors).await?);
    }
    let mut buys = None;
    if wanted("buy") {
        let row = stage.row("whole buy", Buyer::of(&catalogue)).await?;
        buys = Some(row.rate);
        rows.push(row);
    }
    if wanted("order") {
        let count = orders_at_most(buys, stage.duration);
        let visitors = Orderer::prepare(stage.address, &catalogue, count).await?;
        rows.push(stage.row("place order", visitors).await?);
    }
    if wanted("login") {
        rows.push(stage.row("login", Login::prepare(stage.address).await?).await?);
    }
    Ok(rows)
}

/// For how many orders to prepare carts. An order is one request of the three of a whole buy, so that more than four times
/// as many in the same time would surprise; they then end the row early, but not wrongly.
fn orders_at_most(buys: Option<f64>, duration: Duration) -> usize {
    let rate = buys.map_or(3000.0, |rate| rate * 4.0);
    (rate * (duration.as_secs_f64() + 1.0)) as usize
}

fn print(rows: &[Row], before: Rates, after: Rates, figures: &Figures) {
    let references = before.mean(after);
    let mut lines = references.rows();
    lines.extend_from_slice(rows);
    println!();
    report::print_table(&lines, &references);
    println!();
    println!("references before: {before}; after: {after}");
    figures.print();
    let rate = |name: &str| rows.iter().find(|row| row.name == name).map(|row| row.rate);
    let of_selects = |name: &str| Some(rate(name)? / references.database?.selects);
    let aim = |name, measured, bound, unit| Aim {
        name,
        measured,
        bound,
        unit,
    };
    println!();
    report::print_aims(&[
        aim(
            "place order, of pgbench order",
            rate("place order")
                .zip(references.database)
                .map(|(rate, database)| rate / database.orders),
            Bound::AtLeast(0.3),
            "",
        ),
        aim("detail, of pgbench -S", of_selects("detail"), Bound::AtLeast(0.12), ""),
        aim(
            "list of 24, of pgbench -S",
            of_selects("list of 24"),
            Bound::AtLeast(0.05),
            "",
        ),
        aim(
            "import",
            figures.import.map(|took| took.as_secs_f64()),
            Bound::Below(15.0),
            " s",
        ),
        aim(
            "warm start",
            figures.warm_start.map(|took| took.as_secs_f64()),
            Bound::Below(0.5),
            " s",
        ),
        aim(
            "idle, resident",
            figures.resident_idle.map(measure::megabytes),
            Bound::Below(80.0),
            " MB",
        ),
    ]);
}

/// Says what comes next, for whoever waits.
fn tell(what: &str) {
    println!("{what} ...");
}
