//! What only the inside of the process can try: a clock that moves, and the database beside the answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod administration;
mod own_account;
mod shop;
mod sign_in;
