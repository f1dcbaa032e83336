//! Errors of single fields, addressed by JSON pointer (RFC 6901).

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body (`/items/0/quantity`), or the name of a query parameter or header.
    pub pointer: String,
    /// Stable and machine-readable, e.g. `too_long`.
    pub code: String,
    /// For people.
    pub detail: String,
}

impl FieldError {
    /// An error with an explicit code.
    pub fn new(pointer: impl Into<String>, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            code: code.into(),
            detail: detail.into(),
        }
    }

    /// An error whose text begins with its code, as the errors of [`crate::text`] do: `too_long: must have …`.
    pub fn from_message(pointer: impl Into<String>, message: impl fmt::Display) -> Self {
        let message = message.to_string();
        match message.split_once(": ") {
            Some((code, detail)) if is_code(code) => Self::new(pointer, code, detail),
            _ => Self::new(pointer, code_of(&message), message),
        }
    }
}

/// The errors of one request, collected before answering so that a person can mend all of them at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// No errors yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A single error.
    pub fn one(pointer: impl Into<String>, code: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(vec![FieldError::new(pointer, code, detail)])
    }

    /// Adds an error.
    pub fn add(&mut self, pointer: impl Into<String>, code: impl Into<String>, detail: impl Into<String>) {
        self.0.push(FieldError::new(pointer, code, detail));
    }

    /// Adds an error already made.
    pub fn push(&mut self, error: FieldError) {
        self.0.push(error);
    }

    /// Adds errors that were found elsewhere.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// The errors in the order in which they were found.
    pub fn as_slice(&self) -> &[FieldError] {
        &self.0
    }

    /// `Err` with the collected errors, if there are any.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl From<FieldError> for FieldErrors {
    fn from(error: FieldError) -> Self {
        Self(vec![error])
    }
}

impl From<Vec<FieldError>> for FieldErrors {
    fn from(errors: Vec<FieldError>) -> Self {
        Self(errors)
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for error in &self.0 {
            write!(formatter, "{separator}{}: {}", error.pointer, error.detail)?;
            separator = "; ";
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrors {}

fn is_code(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|character| character.is_ascii_lowercase() || character == '_')
}

/// The code of a message that serde wrote.
fn code_of(message: &str) -> &'static str {
    const KNOWN: [(&str, &str); 6] = [
        ("unknown field", "unknown_field"),
        ("missing field", "required"),
        ("duplicate field", "duplicate_field"),
        ("invalid type", "invalid_type"),
        ("unknown variant", "unknown_value"),
        ("invalid value", "out_of_range"),
    ];
    KNOWN
        .iter()
        .find(|(start, _)| message.starts_with(start))
        .map_or("invalid", |(_, code)| *code)
}
