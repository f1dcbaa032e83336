//! Cells that a spreadsheet would take for a formula. They are written with an apostrophe in front, as the OWASP
//! Application Security Verification Standard asks for (1.2.10), and read without it.
//!
//! The way back is exact: a text that begins with apostrophes before such a character itself gets one more.

/// A text as a cell that is a text to every spreadsheet.
pub(super) fn guarded(text: &str) -> String {
    let is_guarded = text.trim_start_matches('\'').starts_with(is_special);
    if is_guarded {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

/// The text of a cell.
pub(super) fn text_of(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if text.trim_start_matches('\'').starts_with(is_special) => text,
        _ => cell,
    }
}

/// The same for SKUs and barcodes, which Shopify's own files have with an apostrophe where they are digits.
pub(super) fn guarded_code(code: &str) -> String {
    let is_guarded = code.starts_with('\'') && code.trim_start_matches('\'').starts_with(char::is_alphanumeric);
    if is_guarded { format!("'{code}") } else { guarded(code) }
}

/// The SKU or barcode of a cell.
pub(super) fn code_of(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(code) if code.trim_start_matches('\'').starts_with(char::is_alphanumeric) => code,
        _ => text_of(cell),
    }
}

/// What makes a formula, also where blanks come first, which some spreadsheets drop.
fn is_special(character: char) -> bool {
    matches!(character, '=' | '+' | '-' | '@' | '\0') || character.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_would_be_a_formula_has_an_apostrophe_in_front() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1", "'=1", "''-"] {
            assert_eq!(guarded(text), format!("'{text}"));
        }
        for text in ["", "a=1", "'tis", "1-2", "ö"] {
            assert_eq!(guarded(text), text);
        }
    }

    #[test]
    fn an_apostrophe_of_shopifys_is_left_out_of_codes_alone() {
        assert_eq!((code_of("'0123"), text_of("'0123")), ("0123", "'0123"));
        assert_eq!((code_of("0123"), code_of("'")), ("0123", "'"));
    }

    proptest! {
        #[test]
        fn every_text_comes_back_as_it_was(text in "['=+@\\-\t\r a-c0-1]{0,8}") {
            let (cell, code) = (guarded(&text), guarded_code(&text));
            prop_assert_eq!((text_of(&cell), code_of(&code)), (text.as_str(), text.as_str()));
        }

        #[test]
        fn no_cell_begins_as_a_formula(text in ".{0,8}") {
            prop_assert!(!guarded(&text).starts_with(is_special));
            prop_assert!(!guarded_code(&text).starts_with(is_special));
        }
    }
}
