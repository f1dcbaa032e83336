//! How the cost of browsing grows with the catalogue: the same rows over catalogues of several sizes, each in a database of
//! its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::catalogue::realistic;
use crate::client::{Connection, request};
use crate::load;
use crate::measure::megabytes;
use crate::pgbench::Pgbench;
use crate::processes::resident_bytes;
use crate::report::{Aim, Bound, print_aims};
use crate::scenarios::Reader;
use crate::store::Home;
use crate::{Outcome, full_text, tell};

/// Connections at a time.
const CONNECTIONS: usize = 16;
/// How many products details are asked of.
const NAMES: usize = 2_000;
/// Six facets, as a page of search results has them.
const FACETS: &str = "facets=brand,category,price,attr.colour,attr.material,attr.connection";

/// What was measured of one size.
struct Size {
    products: usize,
    import: Duration,
    /// From the start of the process until it is ready.
    start: Duration,
    resident: u64,
    lines: Vec<Line>,
    /// Searches with six facets per second by PostgreSQL's full text, where there is pgbench.
    full_text: Option<f64>,
}

impl Size {
    /// How many times as many searches with six facets the store answers as PostgreSQL alone.
    fn times_full_text(&self) -> Option<f64> {
        let line = self.lines.iter().find(|line| line.name == SEARCHES[1])?;
        Some(line.rate / self.full_text?)
    }
}

struct Line {
    name: &'static str,
    rate: f64,
    median: f64,
    slowest: f64,
}

impl Line {
    fn cell(&self) -> String {
        format!("{:.0}/s, {:.1}, {:.1}", self.rate, self.median, self.slowest)
    }
}

/// Measures catalogues of so many products, and prints what came of it.
pub(crate) async fn measure(sizes: &[usize], duration: Duration) -> Outcome<()> {
    let mut measured = Vec::new();
    for products in sizes {
        measured.push(measure_one(*products, duration).await?);
    }
    print(&measured);
    Ok(())
}

async fn measure_one(products: usize, duration: Duration) -> Outcome<Size> {
    let home = Home::new()?;
    tell(&format!("a catalogue of {products}"));
    home.run(&["migrate"])?;
    let file = home.path().join("catalogue.ndjson");
    realistic::write(&file, products)?;
    let started = Instant::now();
    let (_, told) = home.run(&["import", &file.display().to_string()])?;
    let import = started.elapsed();
    println!("{}", told.trim_end());
    std::fs::remove_file(&file)?;
    let (store, start) = home.start()?;
    let address = home.public();
    let mut lines = Vec::new();
    for (name, paths) in rows(address).await? {
        tell(name);
        let readers = Reader::several(CONNECTIONS, paths.into_iter(), &[]);
        let timed = load::run(address, duration, readers).await?;
        let line = Line {
            name,
            rate: timed.rate(),
            median: timed.percentile(0.5),
            slowest: timed.percentile(0.99),
        };
        println!("{}", line.cell());
        lines.push(line);
    }
    let resident = resident_bytes(store.process())?;
    let full_text = match Pgbench::find(&home)? {
        Some(pgbench) => {
            tell("the same searches by PostgreSQL alone");
            Some(full_text::measure(&pgbench, &searches(), CONNECTIONS as u32, duration)?)
        }
        None => None,
    };
    store.stop()?;
    Ok(Size {
        products,
        import,
        start,
        resident,
        lines,
        full_text,
    })
}

const DETAIL: &str = "detail";
const LISTS: [&str; 4] = ["list", "category, by price", "brand, in stock", "a later page"];
const SEARCHES: [&str; 2] = ["search", "search with six facets"];

/// The rows, and what is asked for in each.
async fn rows(address: SocketAddr) -> Outcome<Vec<(&'static str, Vec<String>)>> {
    let mut connection = Connection::open(address).await?;
    let page = async |connection: &mut Connection, query: &str| -> Outcome<Value> {
        let target = format!("/api/v1/products?limit=24&{query}");
        Ok(serde_json::from_slice(
            connection.exchange(&request("GET", &target, &[], None), 200).await?,
        )?)
    };
    let overview = page(&mut connection, "facets=brand").await?;
    let categories: Value = serde_json::from_slice(
        connection
            .exchange(&request("GET", "/api/v1/categories", &[], None), 200)
            .await?,
    )?;
    let brands: Vec<&str> = values(&overview["facets"]["brand"], "value").collect();
    let mut handles = Vec::new();
    collect_handles(&categories["data"], &mut handles);
    let (mut names, mut later) = (Vec::new(), Vec::new());
    let mut cursor = String::new();
    while names.len() < NAMES {
        let query = format!("sort=price{cursor}");
        let products = page(&mut connection, &query).await?;
        names.extend(values(&products["data"], "handle").map(str::to_owned));
        later.push(format!("/api/v1/products?limit=24&{query}"));
        match products["page"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let list = |query: String| format!("/api/v1/products?limit=24{query}");
    let searched = |rest: &str| -> Vec<String> {
        let texts = searches().into_iter();
        texts
            .map(|text| list(format!("&q={}{rest}", text.replace(' ', "+"))))
            .collect()
    };
    Ok(vec![
        (
            DETAIL,
            names.iter().map(|name| format!("/api/v1/products/{name}")).collect(),
        ),
        (LISTS[0], vec![list(String::new())]),
        (
            LISTS[1],
            handles
                .iter()
                .map(|handle| list(format!("&category={handle}&sort=price")))
                .collect(),
        ),
        (
            LISTS[2],
            brands
                .iter()
                .map(|brand| list(format!("&brand={brand}&in_stock=true")))
                .collect(),
        ),
        (LISTS[3], later),
        (SEARCHES[0], searched("")),
        (SEARCHES[1], searched(&format!("&{FACETS}"))),
    ])
}

/// What is searched for: the names of things, alone and with another word.
fn searches() -> Vec<String> {
    let names = realistic::names().map(str::to_lowercase);
    names
        .flat_map(|name| [name.clone(), format!("{name} black"), format!("pro {name}")])
        .collect()
}

fn values<'a>(list: &'a Value, field: &'static str) -> impl Iterator<Item = &'a str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(move |item| item[field].as_str())
}

fn collect_handles(categories: &Value, handles: &mut Vec<String>) {
    for category in categories.as_array().into_iter().flatten() {
        handles.extend(category["handle"].as_str().map(str::to_owned));
        collect_handles(&category["children"], handles);
    }
}

fn print(sizes: &[Size]) {
    let columns = |cell: &dyn Fn(&Size) -> String| sizes.iter().map(cell).collect::<Vec<_>>().join(" | ");
    println!(
        "\n| {CONNECTIONS} connections | {} |",
        columns(&|size| size.products.to_string())
    );
    println!("|---|{}", "--:|".repeat(sizes.len()));
    println!(
        "| import, products/s | {} |",
        columns(&|size| format!("{:.0}", size.products as f64 / size.import.as_secs_f64()))
    );
    println!(
        "| start, s | {} |",
        columns(&|size| format!("{:.2}", size.start.as_secs_f64()))
    );
    println!(
        "| resident, MB | {} |",
        columns(&|size| format!("{:.0}", megabytes(size.resident)))
    );
    for index in 0..sizes.first().map_or(0, |size| size.lines.len()) {
        let line = |size: &Size| size.lines[index].cell();
        println!(
            "| {}: rate, p50 ms, p99 ms | {} |",
            sizes[0].lines[index].name,
            columns(&line)
        );
    }
    let rate = |rate: Option<f64>| rate.map_or_else(String::new, |rate| format!("{rate:.0}/s"));
    println!(
        "| search with six facets, by PostgreSQL alone | {} |",
        columns(&|size| rate(size.full_text))
    );
    println!();
    let Some(largest) = sizes.last() else { return };
    let slowest = |names: &[&str]| {
        let lines = largest.lines.iter().filter(|line| names.contains(&line.name));
        lines.map(|line| line.slowest).reduce(f64::max)
    };
    let aim = |name, measured, bound, unit| Aim {
        name,
        measured,
        bound,
        unit,
    };
    print_aims(&[
        aim(
            "import",
            Some(largest.products as f64 / largest.import.as_secs_f64()),
            Bound::AtLeast(5_000.0),
            " products/s",
        ),
        aim("detail, p99", slowest(&[DETAIL]), Bound::Below(5.0), " ms"),
        aim("lists, p99", slowest(&LISTS), Bound::Below(25.0), " ms"),
        aim("searches, p99", slowest(&SEARCHES), Bound::Below(50.0), " ms"),
        aim(
            "searches with six facets, of PostgreSQL alone",
            largest.times_full_text(),
            Bound::AtLeast(20.0),
            " times",
        ),
    ]);
}
