//! References: how fast the store's own database server answers pgbench, which does nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Outcome;
use crate::store::Home;

/// The superuser of the embedded database and the name of its own database.
const STORE: &str = "bodega";
/// A database of the same server for the references.
const REFERENCE: &str = "bench";

/// What the plain order works on. Its tables are left alone by autovacuum, or it would work on them while the store is
/// measured.
const SCHEMA: &str = "
CREATE TABLE stock (variant_id bigint PRIMARY KEY, price_minor bigint NOT NULL, available bigint NOT NULL CHECK (available >= 0)) WITH (fillfactor = 50, autovacuum_enabled = false);
CREATE TABLE carts (id bigint PRIMARY KEY, status text NOT NULL, updated_at timestamptz NOT NULL) WITH (fillfactor = 50, autovacuum_enabled = false);
CREATE TABLE orders (id bigserial PRIMARY KEY, cart_id bigint NOT NULL, status text NOT NULL, email text NOT NULL, total_minor bigint NOT NULL, created_at timestamptz NOT NULL) WITH (autovacuum_enabled = false);
CREATE TABLE lines (id bigserial PRIMARY KEY, order_id bigint NOT NULL, variant_id bigint NOT NULL, quantity bigint NOT NULL, unit_price_minor bigint NOT NULL) WITH (autovacuum_enabled = false);
CREATE TABLE payments (id bigserial PRIMARY KEY, order_id bigint NOT NULL, provider text NOT NULL, status text NOT NULL, amount_minor bigint NOT NULL, created_at timestamptz NOT NULL) WITH (autovacuum_enabled = false);
INSERT INTO stock SELECT id, 1999, 1000000 FROM generate_series(1, 20000) AS id;
INSERT INTO carts SELECT id, 'open', now() FROM generate_series(1, 100000) AS id;
VACUUM (ANALYZE) stock;
VACUUM (ANALYZE) carts;
";

/// The order that a straightforward shop would place: six statements in one transaction.
const ORDER: &str = r"
\set variant random(1, 20000)
\set cart random(1, 100000)
BEGIN;
SELECT price_minor FROM stock WHERE variant_id = :variant \gset
UPDATE stock SET available = available - 1 WHERE variant_id = :variant AND available >= 1;
INSERT INTO orders (cart_id, status, email, total_minor, created_at) VALUES (:cart, 'placed', 'visitor@example.com', :price_minor, now()) RETURNING id AS order_id \gset
INSERT INTO lines (order_id, variant_id, quantity, unit_price_minor) VALUES (:order_id, :variant, 1, :price_minor);
INSERT INTO payments (order_id, provider, status, amount_minor, created_at) VALUES (:order_id, 'manual', 'authorized', :price_minor, now());
UPDATE carts SET status = 'completed', updated_at = now() WHERE id = :cart;
COMMIT;
";

/// The store's tables that have rows.
const FILLED: &str = "
SELECT oid::regclass FROM pg_class WHERE relkind = 'r' AND pg_relation_size(oid) > 0
AND relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema')";

/// pgbench, and how to reach the server.
#[derive(Debug)]
pub(crate) struct Pgbench {
    program: PathBuf,
    socket: PathBuf,
    scripts: PathBuf,
}

impl Pgbench {
    /// pgbench as it comes with the server, or wherever else it is; `None` where it is nowhere.
    pub(crate) fn find(home: &Home) -> Outcome<Option<Self>> {
        let beside = home.database_programs()?.join("pgbench");
        let on_path = std::env::var_os("PATH").unwrap_or_default();
        let mut places =
            std::iter::once(beside).chain(std::env::split_paths(&on_path).map(|path| path.join("pgbench")));
        let Some(program) = places.find(|place| place.is_file()) else {
            return Ok(None);
        };
        let scripts = home.path().join("pgbench");
        fs::create_dir_all(&scripts)?;
        Ok(Some(Self {
            program,
            socket: home.socket_directory(),
            scripts,
        }))
    }

    /// Brings the statistics of the store's tables up to date, as autovacuum would within a minute, and writes everything to
    /// disk. Tables that are still empty are left alone, as autovacuum leaves them: once it knew that they are, the server
    /// would plan for small ones.
    pub(crate) fn settle_store(&self) -> Outcome<()> {
        let filled = self.query(FILLED)?;
        let tables: Vec<&str> = filled.lines().collect();
        self.query(&format!("VACUUM (ANALYZE) {}", tables.join(", ")))?;
        self.query("CHECKPOINT")?;
        Ok(())
    }

    /// Makes the database that the references work on.
    pub(crate) fn prepare(&self) -> Outcome<()> {
        self.query(&format!("CREATE DATABASE {REFERENCE}"))?;
        self.run(REFERENCE, &["-i", "-q", "-s", "1"])?;
        let schema = self.script("schema.sql", SCHEMA)?;
        self.run(REFERENCE, &["-n", "-c", "1", "-t", "1", "-f", &schema])?;
        self.query("CHECKPOINT")?;
        Ok(())
    }

    /// Single rows by their key, per second: the better of 2 and 8 clients.
    pub(crate) fn selects(&self, duration: Duration) -> Outcome<f64> {
        let few = self.measure(REFERENCE, duration, 2, &["-S"])?;
        let many = self.measure(REFERENCE, duration, 8, &["-S"])?;
        Ok(few.max(many))
    }

    /// Plain orders per second, from 8 clients.
    pub(crate) fn orders(&self, duration: Duration) -> Outcome<f64> {
        let script = self.script("order.sql", ORDER)?;
        self.measure(REFERENCE, duration, 8, &["-f", &script])
    }

    /// Searches in the store's own database per second, by a script that asks any of so many `questions`.
    pub(crate) fn searches(&self, script: &str, questions: usize, clients: u32, duration: Duration) -> Outcome<f64> {
        let script = self.script("search.sql", script)?;
        let questions = format!("questions={questions}");
        self.measure(STORE, duration, clients, &["-D", &questions, "-f", &script])
    }

    /// Has psql, which comes with pgbench, send a statement to the store's database; its rows, columns separated by `|`.
    pub(crate) fn query(&self, statement: &str) -> Outcome<String> {
        let output = Command::new(self.program.with_file_name("psql"))
            .args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, "-h"])
            .arg(&self.socket)
            .args(["-p", "5432", "-U", STORE, STORE])
            .output()?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(format!("psql failed\n{}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    fn measure(&self, database: &str, duration: Duration, clients: u32, what: &[&str]) -> Outcome<f64> {
        let (clients, seconds) = (clients.to_string(), duration.as_secs().to_string());
        let mut arguments = vec!["-n", "-M", "prepared", "-c", &clients, "-j", "1", "-T", &seconds];
        arguments.extend(what);
        let printed = self.run(database, &arguments)?;
        let rate = printed.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rest| rest.split(' ').next());
        Ok(rate
            .ok_or_else(|| format!("pgbench told no rate:\n{printed}"))?
            .parse()?)
    }

    fn run(&self, database: &str, arguments: &[&str]) -> Outcome<String> {
        let output = Command::new(&self.program)
            .args(arguments)
            .arg("-h")
            .arg(&self.socket)
            .args(["-p", "5432", "-U", STORE, database])
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() && !printed.contains("aborted") {
            return Ok(printed);
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        Err(format!("pgbench {} failed\n{printed}{complaint}", arguments.join(" ")).into())
    }

    fn script(&self, name: &str, text: &str) -> Outcome<String> {
        let path: &Path = &self.scripts.join(name);
        fs::write(path, text)?;
        Ok(path.display().to_string())
    }
}
