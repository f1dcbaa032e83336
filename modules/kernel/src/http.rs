//! What every module's routes are made of: extractors that refuse before a handler runs, conditional requests,
//! idempotency keys, and the middleware that gives every request its context.

pub mod api;
pub mod body;
pub mod context;
pub mod idempotency;
pub mod json;
pub mod path;
pub mod precondition;
pub mod query;
pub mod range;
pub mod routes;
pub mod stream;
mod unread;

pub use api::Api;
pub use context::with_context;
pub use idempotency::{Answer, Call, IdempotencyKey};
pub use json::Json;
pub use path::Path;
pub use precondition::{IfMatch, version_tag};
pub use query::{FromQuery, Query, QueryParameters};
