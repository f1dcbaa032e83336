//! The product module over HTTP and through its trait, on a real database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod auditing;
mod availability;
mod browsing;
mod bulk;
mod bundle_files;
mod bundles;
mod codes;
mod collections;
mod currencies;
mod editing;
mod export_jobs;
mod exporting;
mod highlights;
mod images;
mod import_jobs;
mod importing;
mod index_files;
mod locations;
mod lowest_prices;
mod merchandised_search;
mod misses;
mod moving;
mod numbers;
mod price_history;
mod prices;
mod product_types;
mod publishing;
mod questions;
mod racing;
mod relations;
mod relaxed_search;
mod repricing;
mod rules;
mod search_rules;
mod searching;
mod selling;
mod speaking;
mod stock;
mod stock_files;
mod support;
mod traits;
mod translating;
mod translations;
mod tree;
