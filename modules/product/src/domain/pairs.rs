//! JSON objects as ordered pairs. Keys keep the order in which they were written, and a key that comes twice is refused
//! instead of silently winning.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use kernel::Text;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The most pairs of one object.
pub(crate) const MAX_PAIRS: usize = 200;

/// An object with free keys of 1 to 120 characters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pairs<V>(pub(crate) Vec<(String, V)>);

impl<V> Default for Pairs<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<V> Pairs<V> {
    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Option<&V> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    /// Sets a key, where it stands or at the end.
    pub(crate) fn set(&mut self, key: String, value: V) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, before)) => *before = value,
            None => self.0.push((key, value)),
        }
    }

    /// Removes a key.
    pub(crate) fn remove(&mut self, key: &str) {
        self.0.retain(|(known, _)| known != key);
    }
}

impl<V: Serialize> Serialize for Pairs<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Pairs<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor(PhantomData))
    }
}

struct PairsVisitor<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for PairsVisitor<V> {
    type Value = Pairs<V>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = Text::<1, 120>::parse(key).map_err(A::Error::custom)?.into_string();
            if !seen.insert(key.clone()) {
                return Err(A::Error::custom("duplicate_field: a key comes twice"));
            }
            if pairs.len() == MAX_PAIRS {
                return Err(A::Error::custom(format_args!("too_many: at most {MAX_PAIRS} keys")));
            }
            pairs.push((key, map.next_value()?));
        }
        Ok(Pairs(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> serde_json::Result<Pairs<i32>> {
        serde_json::from_str(json)
    }

    #[test]
    fn order_is_kept_and_a_key_that_comes_twice_is_refused() {
        let pairs = read(r#"{"z":1,"a":2}"#).unwrap();
        assert_eq!(serde_json::to_string(&pairs).unwrap(), r#"{"z":1,"a":2}"#);
        assert!(
            read(r#"{"a":1,"a":1}"#)
                .unwrap_err()
                .to_string()
                .starts_with("duplicate_field: ")
        );
    }

    #[test]
    fn keys_are_bounded_text_and_not_too_many() {
        assert!(read(r#"{"a\u0000":1}"#).is_err());
        assert!(read(r#"{"":1}"#).is_err());
        let many: Vec<String> = (0..=MAX_PAIRS).map(|number| format!("\"{number}\":1")).collect();
        assert!(read(&format!("{{{}}}", many.join(","))).is_err());
        assert!(read(&format!("{{{}}}", many[1..].join(","))).is_ok());
    }
}
