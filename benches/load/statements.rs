//! Where a row's time in the database goes, by statement: for whoever wants to make it faster. Costs a few percent, and so
//! is done only when asked for.

use crate::Outcome;
use crate::pgbench::Pgbench;
use crate::store::{Home, Store};

/// The longest part of a statement that is printed, in characters.
const SHOWN: usize = 150;

/// `calls`, microseconds of execution, microseconds of planning, the text; the costliest first.
const COSTLIEST: &str = "
SELECT calls, round(total_exec_time * 1000), round(total_plan_time * 1000), regexp_replace(query, '\\s+', ' ', 'g')
FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY total_exec_time + total_plan_time DESC LIMIT 14";

/// Has the server keep count from its next start on, and starts it and the store again.
pub(crate) fn watch(home: &Home, pgbench: &Pgbench, store: Store) -> Outcome<Store> {
    pgbench.query("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")?;
    store.stop()?;
    let (store, _) = home.start()?;
    pgbench.query("CREATE EXTENSION pg_stat_statements")?;
    pgbench.query("ALTER SYSTEM SET pg_stat_statements.track_planning = on")?;
    pgbench.query("SELECT pg_reload_conf()")?;
    Ok(store)
}

/// Forgets what was counted.
pub(crate) fn forget(pgbench: &Pgbench) -> Outcome<()> {
    pgbench.query("SELECT pg_stat_statements_reset()").map(drop)
}

/// Prints the costliest statements since.
pub(crate) fn print(pgbench: &Pgbench, turns: usize) -> Outcome<()> {
    println!("  per turn   us run  us plan");
    for line in pgbench.query(COSTLIEST)?.lines() {
        let fields: Vec<&str> = line.splitn(4, '|').collect();
        let [calls, execution, planning, text] = fields[..] else {
            continue;
        };
        let per_turn = |number: &str| -> Outcome<f64> { Ok(number.parse::<f64>()? / turns as f64) };
        let shown: String = text.chars().take(SHOWN).collect();
        println!(
            "  {:8.2} {:8.1} {:8.1}  {shown}",
            per_turn(calls)?,
            per_turn(execution)?,
            per_turn(planning)?
        );
    }
    Ok(())
}
