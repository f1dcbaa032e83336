//! Every query of the module.

pub(crate) mod accounts;
pub(crate) mod addresses;
pub(crate) mod books;
pub(crate) mod groups;
pub(crate) mod sessions;
