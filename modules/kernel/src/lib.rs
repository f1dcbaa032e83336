//! The vocabulary that every crate of Bodega shares: ids, money, text, errors, paging, identity, tokens, clock,
//! settings, events, the HTTP extractors and the [`module::Module`] trait.
//!
//! This crate knows no database, no shop rule and no sibling: whatever is here means the same in every module.

pub mod address;
pub mod clock;
pub mod deadline;
pub mod event;
pub mod fault;
pub mod field;
pub mod http;
pub mod id;
pub mod identity;
pub mod job;
pub mod keys;
pub mod locale;
pub mod module;
pub mod money;
pub mod page;
pub mod patch;
pub mod problem;
pub mod remote;
pub mod service_token;
pub mod settings;
pub mod text;
pub mod token;
pub mod upstream;

pub use clock::Clock;
pub use fault::Fault;
pub use field::{FieldError, FieldErrors};
pub use id::Id;
pub use locale::{Locale, Locales};
pub use money::{Currencies, Currency, Money};
pub use page::Page;
pub use patch::Patch;
pub use problem::Problem;
pub use text::Text;
