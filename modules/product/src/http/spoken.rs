//! In which language somebody asks.

use kernel::Locale;
use kernel::http::{FromQuery, QueryParameters};

/// A query with `locale=` beside its own parameters. It is a parameter and no header, so that each address has one answer,
/// which everybody may keep.
pub(super) struct Spoken<T> {
    pub(super) query: T,
    /// The language that is asked for; the service knows whether the shop speaks it.
    pub(super) locale: Option<Locale>,
}

impl<T: FromQuery> FromQuery for Spoken<T> {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        Self {
            locale: parameters.parsed("locale"),
            query: T::from_query(parameters),
        }
    }
}
