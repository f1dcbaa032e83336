//! The product module over HTTP and through its trait, on a real database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod availability;
mod browsing;
mod bulk;
mod bundles;
mod collections;
mod editing;
mod exporting;
mod highlights;
mod images;
mod import_jobs;
mod importing;
mod locations;
mod merchandised_search;
mod misses;
mod moving;
mod prices;
mod product_types;
mod publishing;
mod racing;
mod relations;
mod relaxed_search;
mod repricing;
mod rules;
mod search_rules;
mod searching;
mod selling;
mod stock;
mod support;
mod translating;
mod translations;
mod tree;
