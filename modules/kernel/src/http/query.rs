//! The one query parser: repeated parameters mean OR, unknown and repeated single ones are refused, nothing is coerced.

use std::fmt::Display;
use std::future::{Ready, ready};
use std::ops::{Deref, RangeInclusive};
use std::str::FromStr;

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::page::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::text::Prose;
use crate::{FieldError, FieldErrors, Problem};

/// The longest value of a parameter, in characters.
pub const MAX_VALUE: usize = 200;
/// The most parameters of one request.
const MAX_PARAMETERS: usize = 100;

/// A request's query as `T`; anything wrong with it answers 400 and names the parameter.
pub struct Query<T>(pub T);

/// A type that can be read from a query. Take every parameter; what is left over is refused by the extractor.
pub trait FromQuery: Sized {
    /// Takes the parameters that this type knows. Errors may be recorded in `parameters`; the value is then dropped.
    fn from_query(parameters: &mut QueryParameters) -> Self;
}

/// For routes without parameters.
pub struct NoParameters;

impl FromQuery for NoParameters {
    fn from_query(_: &mut QueryParameters) -> Self {
        Self
    }
}

/// The parameters of a request that have not been taken yet, and what was wrong with those that have.
#[derive(Debug, Default)]
pub struct QueryParameters {
    pairs: Vec<(String, String)>,
    errors: FieldErrors,
}

impl QueryParameters {
    /// Reads a raw query string: percent-encoded UTF-8 without NUL, at most 100 parameters of at most 200 characters
    /// (cursors may be longer).
    pub fn parse(query: &str) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        if pairs.len() > MAX_PARAMETERS {
            return Err(Problem::bad_request(
                "too_many_parameters",
                format!("at most {MAX_PARAMETERS} query parameters"),
            ));
        }
        Ok(Self {
            pairs,
            errors: FieldErrors::new(),
        })
    }

    /// Takes a parameter that may be given once.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let mut values = self.texts(name);
        if values.len() > 1 {
            self.errors.add(name, "duplicate_parameter", "may be given only once");
        }
        values.pop()
    }

    /// Takes a parameter that may be repeated.
    pub fn texts(&mut self, name: &str) -> Vec<String> {
        let values = self.take(|candidate| candidate == name);
        values
            .into_iter()
            .filter_map(|(_, value)| self.checked(name, value, MAX_VALUE))
            .collect()
    }

    /// Takes a parameter that may be given once and parses it.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.push(FieldError::from_message(name, error));
                None
            }
        }
    }

    /// Takes a whole number within a range.
    pub fn integer(&mut self, name: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let text = self.text(name)?;
        match text.parse() {
            Ok(value) if range.contains(&value) && !text.starts_with('+') => Some(value),
            _ => {
                let detail = format!("must be a whole number from {} to {}", range.start(), range.end());
                self.errors.add(name, "out_of_range", detail);
                None
            }
        }
    }

    /// Takes `true` or `false`.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        self.choice(name, &[("true", true), ("false", false)])
    }

    /// Takes one of a closed list of values.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices
            .iter()
            .find(|(known, _)| *known == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = choices.iter().map(|(known, _)| *known).collect();
            self.errors
                .add(name, "unknown_value", format!("must be one of {}", known.join(", ")));
        }
        found
    }

    /// Takes all parameters that begin with `prefix`, e.g. `attr.`: pairs of the rest of the name and the value.
    pub fn prefixed(&mut self, prefix: &str) -> Vec<(String, String)> {
        let pairs = self.take(|candidate| candidate.starts_with(prefix));
        let mut kept = Vec::new();
        for (name, value) in pairs {
            let rest = name[prefix.len()..].to_owned();
            if rest.is_empty() {
                self.errors.add(name, "unknown_parameter", "the name is incomplete");
            } else if let (Some(rest), Some(value)) = (
                self.checked(prefix, rest, MAX_VALUE),
                self.checked(&name, value, MAX_VALUE),
            ) {
                kept.push((rest, value));
            }
        }
        kept
    }

    /// Takes `limit`, 1 to 100, 20 where it is not given.
    pub fn limit(&mut self) -> i64 {
        self.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT)
    }

    /// Takes `cursor`; whether it is genuine is for [`crate::page::Cursors`] to say.
    pub fn cursor(&mut self) -> Option<String> {
        let values = self.take(|candidate| candidate == "cursor");
        if values.len() > 1 {
            self.errors
                .add("cursor", "duplicate_parameter", "may be given only once");
        }
        values
            .into_iter()
            .next_back()
            .and_then(|(_, value)| self.checked("cursor", value, 4096))
    }

    /// Records an error that the type found by itself.
    pub fn refuse(&mut self, name: &str, code: &str, detail: impl Into<String>) {
        self.errors.add(name, code, detail);
    }

    /// Refuses what nobody took, and whatever was wrong.
    pub fn finish(mut self) -> Result<(), Problem> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            let shown: String = name.chars().take(60).collect();
            self.errors
                .add(shown, "unknown_parameter", "this route does not know the parameter");
        }
        self.errors.into_result().map_err(Problem::invalid_query)
    }

    fn take(&mut self, wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        let (taken, left) = std::mem::take(&mut self.pairs)
            .into_iter()
            .partition(|(name, _)| wanted(name));
        self.pairs = left;
        taken
    }

    fn checked(&mut self, name: &str, value: String, longest: usize) -> Option<String> {
        let checked = match longest {
            MAX_VALUE => Prose::<0, MAX_VALUE>::parse(value).map(String::from),
            _ => Prose::<0, 4096>::parse(value).map(String::from),
        };
        checked
            .map_err(|error| self.errors.push(FieldError::from_message(name, error)))
            .ok()
    }
}

impl<T> Query<T> {
    /// The parsed query.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: FromQuery> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read(request.query_string()).map(Self))
    }
}

fn read<T: FromQuery>(query: &str) -> Result<T, Problem> {
    let mut parameters = QueryParameters::parse(query)?;
    let value = T::from_query(&mut parameters);
    parameters.finish()?;
    Ok(value)
}

fn decode(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
    decoded
        .map(String::from)
        .map_err(|_| Problem::bad_request("invalid_encoding", "the query is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct List {
        limit: i64,
        brands: Vec<String>,
        attributes: Vec<(String, String)>,
        descending: Option<bool>,
    }

    impl FromQuery for List {
        fn from_query(parameters: &mut QueryParameters) -> Self {
            Self {
                limit: parameters.limit(),
                brands: parameters.texts("brand"),
                attributes: parameters.prefixed("attr."),
                descending: parameters.choice("sort", &[("price", false), ("-price", true)]),
            }
        }
    }

    #[test]
    fn repeated_parameters_are_collected_and_prefixes_understood() {
        let list: List = read("brand=HP&brand=A%26B&attr.ink+type=Dye&sort=-price").unwrap();
        assert_eq!(list.brands, ["HP", "A&B"]);
        assert_eq!(list.attributes, [("ink type".to_owned(), "Dye".to_owned())]);
        assert_eq!((list.limit, list.descending), (20, Some(true)));
    }

    #[test]
    fn unknown_repeated_and_malformed_parameters_are_refused() {
        for query in [
            "colour=red",
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=1e9",
            "limit=NaN",
            "limit=+5",
            "limit=5&limit=6",
            "limit=",
            "sort=name",
            "sort=price;drop",
            "brand=%00",
            "brand=%ff",
            "attr.=x",
            "attr.a%00b=x",
            "a[]=1",
        ] {
            let problem = read::<List>(query).unwrap_err();
            assert_eq!(problem.status(), 400, "{query}");
        }
        assert!(read::<List>(&format!("brand={}", "a".repeat(201))).is_err());
    }
}
