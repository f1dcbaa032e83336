//! Migrations: one history per schema, under one advisory lock, because diesel takes none and two processes that
//! migrate at once would fail.

use std::collections::BTreeSet;

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use kernel::Fault;

use crate::Db;
use crate::failure::fault_of;
use crate::statement::Statement;

/// What every schema has: outbox, consumers, idempotency keys.
const FOUNDATION: EmbeddedMigrations = embed_migrations!("../../migrations/foundation");

/// The number of the advisory lock, the same in every process: `bodega` in ASCII.
const LOCK: i64 = 0x62_6f_64_65_67_61;

/// A module's schema: its name and its migrations.
pub struct Schema {
    /// The schema's name, e.g. `products`.
    pub name: &'static str,
    /// The module's own migrations; the foundation's come first by themselves.
    pub migrations: EmbeddedMigrations,
}

impl Schema {
    /// Creates the schema where it is missing and runs what is pending; answers what ran. Waits while another process
    /// migrates, and then finds nothing to do.
    pub fn migrate(&self, db: &Db) -> Result<Vec<String>, Fault> {
        let mut connection = db.connect()?;
        // The lock belongs to the session and goes with it, whatever happens.
        let lock = format!("SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock({LOCK})");
        connection.batch_execute(&lock).map_err(|error| fault_of(&error))?;
        self.enter(&mut connection).map_err(|error| fault_of(&error))?;
        let mut ran = Vec::new();
        for source in [&FOUNDATION, &self.migrations] {
            let versions = connection
                .run_pending_migrations(CopyOf(source))
                .map_err(|error| Fault::internal(format!("schema {}: migration failed: {error}", self.name)))?;
            ran.extend(versions.iter().map(|version| format!("{}/{version}", self.name)));
        }
        Ok(ran)
    }

    /// Creates the schema where it is missing, and goes into it. A role that owns its schema need not be allowed to create
    /// one, for which PostgreSQL would ask even where there is nothing to create.
    fn enter(&self, connection: &mut PgConnection) -> QueryResult<()> {
        let exists: bool = diesel::select(
            diesel::dsl::sql::<diesel::sql_types::Bool>("to_regnamespace(")
                .bind::<diesel::sql_types::Text, _>(self.name)
                .sql(") IS NOT NULL"),
        )
        .get_result(connection)?;
        if !exists {
            connection.batch_execute(&format!("CREATE SCHEMA {}", self.name))?;
        }
        connection.batch_execute(&format!("SET search_path = {}; SET lock_timeout = '5s'", self.name))
    }

    /// The migrations that this binary has and the database lacks.
    pub fn pending(&self, connection: &mut PgConnection) -> QueryResult<Vec<String>> {
        let exists: bool = diesel::select(
            diesel::dsl::sql::<diesel::sql_types::Bool>("to_regclass(")
                .bind::<diesel::sql_types::Text, _>(format!("{}.__diesel_schema_migrations", self.name))
                .sql(") IS NOT NULL"),
        )
        .get_result(connection)?;
        let applied: BTreeSet<String> = match exists {
            true => applied(connection, self.name)?,
            false => BTreeSet::new(),
        };
        let names = [&FOUNDATION, &self.migrations].into_iter().flat_map(versions);
        Ok(names
            .filter(|version| !applied.contains(version))
            .map(|version| format!("{}/{version}", self.name))
            .collect())
    }
}

fn applied(connection: &mut PgConnection, schema: &'static str) -> QueryResult<BTreeSet<String>> {
    #[derive(QueryableByName)]
    struct Row {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let rows: Vec<Row> =
        Statement::new(schema, "SELECT version FROM @.__diesel_schema_migrations", []).load(connection)?;
    Ok(rows.into_iter().map(|row| row.version).collect())
}

fn versions(source: &EmbeddedMigrations) -> Vec<String> {
    let migrations = MigrationSource::<Pg>::migrations(source).unwrap_or_default();
    migrations
        .iter()
        .map(|migration| migration.name().version().to_string())
        .collect()
}

/// `run_pending_migrations` takes its source by value; this lends it one.
struct CopyOf<'a>(&'a EmbeddedMigrations);

impl MigrationSource<Pg> for CopyOf<'_> {
    fn migrations(&self) -> diesel::migration::Result<Vec<Box<dyn Migration<Pg>>>> {
        self.0.migrations()
    }
}
