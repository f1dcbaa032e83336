//! The gateway at the level of bytes, before upstreams that tell what has reached them. One file per topic of
//! `reliability.md`, sections 2.6 and 2.7; each names the cases that it covers.
//!
//! Where the HTTP library takes a form that it might have refused, such as lines that end in a bare line feed, the rule is:
//! never two requests out of one, and never another reading further in than at the edge.

mod failures;
mod framing;
mod headers;
mod internal;
mod keys;
mod overload;
mod paths;
mod rates;
mod streams;
mod telling;
