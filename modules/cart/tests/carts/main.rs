//! The cart module over HTTP and through its trait, on a real database.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod buying;
mod checkout;
mod effort;
mod external;
mod keeping;
mod leaving;
mod support;
