//! Places outside the shop that are told of events, and what is on its way to them. Whoever changes a delivery and its
//! endpoint in one transaction takes the delivery first.

pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod sending;
