//! Fields of a JSON Merge Patch (RFC 7396): absent keeps, `null` clears, a value sets.

use serde::{Deserialize, Deserializer};

/// What a merge patch says of one nullable field. Use it with `#[serde(default)]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Patch<T> {
    /// The field is absent: nothing changes.
    #[default]
    Keep,
    /// The field is `null`: the value is removed.
    Clear,
    /// The field has a value.
    Set(T),
}

impl<T> Patch<T> {
    /// The value after the patch, given the one before.
    pub fn apply(self, before: Option<T>) -> Option<T> {
        match self {
            Self::Keep => before,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// The value after the patch, given the one before, where the field is an object that is patched in its turn.
    pub fn merge<U, E>(
        self,
        before: Option<U>,
        merge: impl FnOnce(T, Option<U>) -> Result<U, E>,
    ) -> Result<Option<U>, E> {
        match self {
            Self::Keep => Ok(before),
            Self::Clear => Ok(None),
            Self::Set(patch) => merge(patch, before).map(Some),
        }
    }

    /// Whether the patch leaves the field alone.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }

    /// The same patch of a converted value.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Patch<U> {
        match self {
            Self::Keep => Patch::Keep,
            Self::Clear => Patch::Clear,
            Self::Set(value) => Patch::Set(convert(value)),
        }
    }
}

impl<T> From<Option<T>> for Patch<T> {
    /// The patch that makes any value this one, or none.
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Clear, Self::Set)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patch<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<T>::deserialize(deserializer).map(Self::from)
    }
}

/// Reads a field that may be absent but not `null`; use it as
/// `#[serde(default, deserialize_with = "kernel::patch::present")]` on an `Option`.
pub fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Profile {
        #[serde(default)]
        phone: Patch<String>,
        #[serde(default, deserialize_with = "present")]
        name: Option<String>,
    }

    fn read(json: &str) -> serde_json::Result<Profile> {
        serde_json::from_str(json)
    }

    #[test]
    fn absent_keeps_null_clears_and_a_value_sets() {
        assert_eq!(read("{}").unwrap().phone, Patch::Keep);
        assert_eq!(read(r#"{"phone":null}"#).unwrap().phone, Patch::Clear);
        assert_eq!(read(r#"{"phone":"1"}"#).unwrap().phone, Patch::Set("1".into()));
    }

    #[test]
    fn a_required_field_may_be_absent_but_not_null() {
        assert_eq!(read("{}").unwrap().name, None);
        assert!(read(r#"{"name":null}"#).is_err());
    }
}
