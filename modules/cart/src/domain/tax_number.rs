//! Numbers by which businesses are known to tax offices.

use kernel::address::Country;

/// The numbers of the member states of the European Union, as VIES takes them: country, prefix, and what may follow it, in
/// which `9` is a digit, `A` a letter, `X` either, and all else itself
/// (<https://ec.europa.eu/taxation_customs/vies/#/faq>, question 11).
const FORMATS: &[(&str, &str, &[&str])] = &[
    ("AT", "AT", &["U99999999"]),
    ("BE", "BE", &["0999999999", "1999999999"]),
    ("BG", "BG", &["999999999", "9999999999"]),
    ("CY", "CY", &["99999999A"]),
    ("CZ", "CZ", &["99999999", "999999999", "9999999999"]),
    ("DE", "DE", &["999999999"]),
    ("DK", "DK", &["99999999"]),
    ("EE", "EE", &["999999999"]),
    ("ES", "ES", &["X9999999A", "A9999999X"]),
    ("FI", "FI", &["99999999"]),
    ("FR", "FR", &["XX999999999"]),
    ("GR", "EL", &["999999999"]),
    ("HR", "HR", &["99999999999"]),
    ("HU", "HU", &["99999999"]),
    ("IE", "IE", &["9X99999A", "9999999AA"]),
    ("IT", "IT", &["99999999999"]),
    ("LT", "LT", &["999999999", "999999999999"]),
    ("LU", "LU", &["99999999"]),
    ("LV", "LV", &["99999999999"]),
    ("MT", "MT", &["99999999"]),
    ("NL", "NL", &["999999999B99"]),
    ("PL", "PL", &["9999999999"]),
    ("PT", "PT", &["999999999"]),
    (
        "RO",
        "RO",
        &[
            "99",
            "999",
            "9999",
            "99999",
            "999999",
            "9999999",
            "99999999",
            "999999999",
            "9999999999",
        ],
    ),
    ("SE", "SE", &["999999999999"]),
    ("SI", "SI", &["99999999"]),
    ("SK", "SK", &["9999999999"]),
];

/// The longest number.
const MAX_LENGTH: usize = 30;

/// A number as it is compared: in capitals, without spaces, dots and hyphens.
pub(crate) fn normal(number: &str) -> String {
    let kept = number.chars().filter(|character| !" .-".contains(*character));
    kept.flat_map(char::to_uppercase).collect()
}

/// Whether a normal number could be one: where it begins as those of a member state do, it has to have their format. Whether
/// a tax office knows it is another question.
pub(crate) fn is_sound(number: &str) -> bool {
    let of_state = FORMATS.iter().find(|(_, prefix, _)| number.starts_with(prefix));
    let is_written = number
        .chars()
        .all(|character| character.is_ascii_alphanumeric() || character == '/');
    let is_of_length = (1..=MAX_LENGTH).contains(&number.len());
    is_written && is_of_length && of_state.is_none_or(|(_, prefix, formats)| has(number, prefix, formats))
}

/// Whether a normal number has the format of the numbers of `country`, which is a member state.
pub(crate) fn is_of_country(number: &str, country: Country) -> bool {
    let mut states = FORMATS.iter();
    let state = states.find(|(state, ..)| *state == country.code());
    state.is_some_and(|(_, prefix, formats)| has(number, prefix, formats))
}

fn has(number: &str, prefix: &str, formats: &[&str]) -> bool {
    let Some(rest) = number.strip_prefix(prefix) else {
        return false;
    };
    let fits = |(own, expected): (u8, u8)| match expected {
        b'9' => own.is_ascii_digit(),
        b'A' => own.is_ascii_uppercase(),
        b'X' => own.is_ascii_digit() || own.is_ascii_uppercase(),
        other => own == other,
    };
    let mut formats = formats.iter().filter(|format| format.len() == rest.len());
    formats.any(|format| rest.bytes().zip(format.bytes()).all(fits))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn country(code: &str) -> Country {
        Country::parse(code).unwrap()
    }

    #[test]
    fn numbers_of_member_states_have_the_format_of_their_state() {
        for (state, number) in [
            ("AT", "ATU12345678"),
            ("DE", "de 123 456 789"),
            ("ES", "ESB12345678"),
            ("FR", "FR-XX.123456789"),
            ("GR", "EL123456789"),
            ("IE", "IE1234567FA"),
            ("NL", "NL123456789B01"),
            ("RO", "RO18"),
        ] {
            let number = normal(number);
            assert!(is_sound(&number), "{number}");
            assert!(is_of_country(&number, country(state)), "{number}");
            assert!(!is_of_country(&number, country("IT")), "{number}");
        }
        for bad in [
            "DE12345678",
            "DE1234567890",
            "ATX12345678",
            "NL123456789A01",
            "",
            "DE12345678Ä",
        ] {
            assert!(!is_sound(&normal(bad)), "{bad}");
        }
    }

    #[test]
    fn numbers_of_other_countries_are_taken_as_they_are_and_of_no_member_state() {
        let number = normal("12-3456789");
        assert!(is_sound(&number));
        assert!(is_sound(&"1".repeat(30)) && !is_sound(&"1".repeat(31)));
        assert!(!is_of_country(&number, country("US")) && !is_of_country(&number, country("DE")));
        assert!(!is_of_country(&normal("GR123456789"), country("GR")));
    }
}
