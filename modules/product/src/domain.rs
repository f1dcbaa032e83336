//! What the catalogue is made of, and its rules. Pure: nothing here reads or writes anything.

pub(crate) mod attributes;
pub(crate) mod category;
pub(crate) mod draft;
pub(crate) mod facet;
pub(crate) mod filter;
pub(crate) mod handle;
pub(crate) mod image;
pub(crate) mod listing;
pub(crate) mod media;
pub(crate) mod pairs;
pub(crate) mod plan;
pub(crate) mod product;
pub(crate) mod stock;

/// The schema that all of this lives in.
pub(crate) const SCHEMA: &str = "products";
