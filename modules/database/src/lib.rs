//! Everything that the modules share about PostgreSQL: connections and transactions, migrations, the outbox and its
//! consumers, idempotency keys, and the embedded server. Knows no table of any module.

pub mod connection;
pub mod consumer;
pub mod db;
pub mod embedded;
pub mod failure;
pub mod housekeeping;
pub mod idempotency;
pub mod migrations;
pub mod outbox;
pub mod statement;
pub mod together;

pub use db::{Db, Options};
pub use failure::{Failure, OnViolation, OrRefuse, failed_by, refuse};
pub use migrations::Schema;
pub use statement::{Bind, Statement};
pub use together::Together;
