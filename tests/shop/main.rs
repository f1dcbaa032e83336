//! The store from outside, over HTTP. `support/mod.rs` tells how to write a test.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod accounts;
mod addresses;
mod bundles;
mod cache;
mod carts;
mod conformance;
mod countries;
mod documentation;
mod documents;
mod edge;
mod exports;
mod finding;
mod gift_cards;
mod health;
mod images;
mod languages;
mod limits;
mod live;
mod mails;
mod merchandising;
mod methods;
mod order_exports;
mod order_life;
mod order_numbers;
mod orders;
mod origins;
mod payments;
mod prices;
mod problems;
mod processes;
mod promotions;
mod races;
mod replays;
mod roles;
mod search_settings;
mod shipping;
mod staff;
mod stock;
mod support;
mod taxes;
mod tokens;
mod webhooks;
