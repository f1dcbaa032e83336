//! All that is wrong with a body, for people who would rather mend it once. Serde stops at the first mistake; so what it
//! complains about is taken out, and it is asked again. Only for bodies that were refused: what is found here is said
//! besides, and never lets anything pass.

use std::collections::{HashMap, HashSet};

use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::PartialSchema;
use utoipa::openapi::{RefOr, Schema};

use super::field_error;
use crate::{FieldError, FieldErrors};

/// The most mistakes that are named, and the most times that serde is asked.
const MOST: usize = 20;

/// The mistakes of a body that was refused because of `first`. Of an object within it that lacks several fields, only the
/// first is named.
pub(super) fn collect<T: DeserializeOwned + PartialSchema>(bytes: &[u8], first: FieldError) -> FieldErrors {
    let Ok(body) = serde_json::from_slice::<Value>(bytes) else {
        return first.into();
    };
    let missing = missing_fields::<T>(&body);
    let mut found = vec![first.clone()];
    let mut rest = Remainder {
        body,
        taken: HashSet::new(),
        dropped: HashMap::new(),
    };
    let mut pointer = first.pointer;
    while found.len() < MOST && rest.take_out(&pointer) {
        let Err(error) = serde_path_to_error::deserialize::<_, T>(&rest.body) else {
            break;
        };
        let mistake = field_error(&error);
        pointer = mistake.pointer;
        let original = rest.original(&pointer);
        // What was taken out is missing now, which is no mistake of the client's.
        if !rest.taken.contains(&original) {
            found.push(FieldError::new(original, mistake.code, mistake.detail));
        }
    }
    for mistake in missing {
        if found.iter().all(|known| known.pointer != mistake.pointer) {
            found.push(mistake);
        }
    }
    found.truncate(MOST);
    found.into()
}

/// The fields of the body itself that are required and not there, by the schema of `T`: serde names one of them.
fn missing_fields<T: PartialSchema>(body: &Value) -> Vec<FieldError> {
    let (RefOr::T(Schema::Object(schema)), Value::Object(members)) = (T::schema(), body) else {
        return Vec::new();
    };
    let missing = schema.required.into_iter().filter(|field| !members.contains_key(field));
    missing
        .map(|field| FieldError::new(format!("/{field}"), "required", format!("missing field `{field}`")))
        .collect()
}

/// What is left of a body.
struct Remainder {
    body: Value,
    /// The members that are gone from their objects, by their pointers into the whole body.
    taken: HashSet<String>,
    /// How many elements are gone from the beginning of each list, by its pointer into the whole body.
    dropped: HashMap<String, usize>,
}

impl Remainder {
    /// Takes out what `pointer` names; where that is not there, what should have had it. False where that is the body.
    fn take_out(&mut self, pointer: &str) -> bool {
        let Some((parent, key)) = pointer.rsplit_once('/') else {
            return false;
        };
        match (self.body.pointer_mut(parent), key.parse::<usize>()) {
            (Some(Value::Object(members)), _) => match members.remove(&unescape(key)) {
                Some(_) => self.taken.insert(self.original(pointer)),
                None => self.take_out(parent),
            },
            (Some(Value::Array(elements)), Ok(index)) if index < elements.len() => {
                // Lists are read from their beginning: nothing is wrong with what comes before.
                elements.drain(..=index);
                *self.dropped.entry(self.original(parent)).or_default() += index + 1;
                true
            }
            _ => self.take_out(parent),
        }
    }

    /// The pointer into the whole body of what has `pointer` in what is left.
    fn original(&self, pointer: &str) -> String {
        let mut original = String::new();
        for key in pointer.split('/').skip(1) {
            let dropped = self.dropped.get(&original);
            match (dropped, key.parse::<usize>()) {
                (Some(dropped), Ok(index)) => original.push_str(&format!("/{}", index + dropped)),
                _ => original.push_str(&format!("/{key}")),
            }
        }
        original
    }
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Text;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize, utoipa::ToSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Order {
        note: Text<1, 5>,
        #[serde(default)]
        gift: bool,
        buyer: Buyer,
        lines: Vec<Line>,
        hint: Option<String>,
    }

    #[derive(Debug, Deserialize, utoipa::ToSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Buyer {
        name: Text<1, 5>,
        city: Text<1, 5>,
    }

    #[derive(Debug, Deserialize, utoipa::ToSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Line {
        quantity: u16,
        labels: Vec<Text<1, 5>>,
    }

    fn good() -> Value {
        json!({"note": "a", "buyer": {"name": "Ada", "city": "Bath"}, "lines": [{"quantity": 1, "labels": []}]})
    }

    /// The pointers of what is wrong, sorted.
    fn mistakes(body: &Value) -> Vec<String> {
        let bytes = body.to_string().into_bytes();
        let first = serde_path_to_error::deserialize::<_, Order>(&mut serde_json::Deserializer::from_slice(&bytes));
        let errors = collect::<Order>(&bytes, field_error(&first.unwrap_err()));
        let mut pointers: Vec<String> = errors.as_slice().iter().map(|error| error.pointer.clone()).collect();
        pointers.sort();
        pointers
    }

    #[test]
    fn fields_that_are_unknown_wrong_or_missing_are_all_named() {
        let body =
            json!({"note": "too long", "gift": 1, "role": "admin", "a/b": 1, "buyer": {"name": "", "city": 5, "x": 1}});
        let expected = [
            "/a~1b",
            "/buyer/city",
            "/buyer/name",
            "/buyer/x",
            "/gift",
            "/lines",
            "/note",
            "/role",
        ];
        assert_eq!(mistakes(&body), expected);
        assert_eq!(mistakes(&json!({})), ["/buyer", "/lines", "/note"]);
    }

    #[test]
    fn elements_of_lists_keep_their_place() {
        let mut body = good();
        body["lines"] = json!([
            {"quantity": 1, "labels": ["fine", "much too long", "fine", ""]},
            {"quantity": 1, "labels": []},
            {"quantity": -1, "labels": [1], "price": 1},
            {"labels": []},
            {"quantity": "1", "labels": "none"},
            "nothing",
            {"quantity": 1, "labels": ["", "", "fine", ""]},
        ]);
        let expected = [
            "/lines/0/labels/1",
            "/lines/0/labels/3",
            "/lines/2/labels/0",
            "/lines/2/price",
            "/lines/2/quantity",
            "/lines/3/quantity",
            "/lines/4/labels",
            "/lines/4/quantity",
            "/lines/5",
            "/lines/6/labels/0",
            "/lines/6/labels/1",
            "/lines/6/labels/3",
        ];
        assert_eq!(mistakes(&body), expected);
    }

    #[test]
    fn not_more_are_named_than_anybody_would_read() {
        let mut body = good();
        for number in 0..1000 {
            body[format!("unknown{number}")] = json!(1);
        }
        assert_eq!(mistakes(&body).len(), MOST);
        body["lines"] = json!(vec![json!({}); 1000]);
        assert!(mistakes(&body).len() <= MOST);
    }
}
