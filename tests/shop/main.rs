//! The store from outside, over HTTP.
