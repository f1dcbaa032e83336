//! What the catalogue is made of, and its rules. Pure: nothing here reads or writes anything.

pub(crate) mod allocation;
pub(crate) mod attributes;
pub(crate) mod bulk;
pub(crate) mod bundle;
pub(crate) mod category;
pub(crate) mod code;
pub(crate) mod collection;
pub(crate) mod count;
pub(crate) mod draft;
pub(crate) mod facet;
pub(crate) mod filter;
pub(crate) mod further_price;
pub(crate) mod handle;
pub(crate) mod image;
pub(crate) mod listing;
pub(crate) mod location;
pub(crate) mod media;
pub(crate) mod merchandising;
pub(crate) mod number;
pub(crate) mod pairs;
pub(crate) mod plan;
pub(crate) mod price_history;
pub(crate) mod price_list;
pub(crate) mod pricing;
pub(crate) mod product;
pub(crate) mod product_type;
pub(crate) mod relation;
pub(crate) mod restock;
pub(crate) mod rule;
pub(crate) mod search_rule;
pub(crate) mod search_settings;
pub(crate) mod searching;
pub(crate) mod stock;
pub(crate) mod tax_class;
pub(crate) mod terms;
pub(crate) mod transfer;
pub(crate) mod translation;

/// The schema that all of this lives in.
pub(crate) const SCHEMA: &str = "products";
