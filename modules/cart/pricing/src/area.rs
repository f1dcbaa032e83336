//! Parts of the world: where a method delivers, and where a tax is paid.

use kernel::address::{Address, Country};
use kernel::{FieldErrors, Text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most areas of a zone.
const MAX_AREAS: usize = 500;
/// The most regions of an area.
const MAX_REGIONS: usize = 200;
/// The most postal codes of an area.
const MAX_POSTAL_CODES: usize = 1_000;

/// A country, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// The country.
    pub country: Country,
    /// Its states, provinces or regions, as addresses name them, in capital letters or not; all where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub regions: Vec<Text<1, 120>>,
    /// Its postal codes: `1010`, all that begin alike (`10*`), or a range of those of one length (`1000..1999`). Spaces,
    /// hyphens and capitals do not matter. All where it is empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<String>)]
    pub postal_codes: Vec<Text<1, 50>>,
}

/// How closely an area names a place; of several areas the closest one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Closeness {
    /// Everywhere.
    World,
    /// By its country.
    Country,
    /// By its region.
    Region,
    /// By its postal code.
    PostalCode,
}

impl Area {
    /// How closely the area names where `address` is; `None` where that is outside.
    pub fn closeness(&self, address: &Address) -> Option<Closeness> {
        if self.country != address.country {
            return None;
        }
        let own = address
            .region
            .as_ref()
            .map(|region| region.as_str().trim().to_lowercase());
        let is_named = |region: &Text<1, 120>| own.as_deref() == Some(region.as_str().trim().to_lowercase().as_str());
        if !self.regions.is_empty() && !self.regions.iter().any(is_named) {
            return None;
        }
        let code: String = normal(address.postal_code.as_str()).collect();
        if !self.postal_codes.is_empty() && !self.postal_codes.iter().any(|pattern| matches(pattern.as_str(), &code)) {
            return None;
        }
        Some(match (self.regions.is_empty(), self.postal_codes.is_empty()) {
            (_, false) => Closeness::PostalCode,
            (false, true) => Closeness::Region,
            (true, true) => Closeness::Country,
        })
    }
}

/// Checks what the types of the areas of a zone cannot say; errors are told below `pointer`. Of the postal codes of an area
/// only the first wrong one is named, as there may be thousands of them.
pub fn check_areas(areas: &[Area], pointer: &str, errors: &mut FieldErrors) {
    if !is_few(areas.len(), MAX_AREAS, pointer, errors) {
        return;
    }
    for (index, area) in areas.iter().enumerate() {
        is_few(
            area.regions.len(),
            MAX_REGIONS,
            &format!("{pointer}/{index}/regions"),
            errors,
        );
        let codes = format!("{pointer}/{index}/postal_codes");
        if is_few(area.postal_codes.len(), MAX_POSTAL_CODES, &codes, errors)
            && let Some(wrong) = area.postal_codes.iter().position(|code| !is_pattern(code.as_str()))
        {
            let detail = "a code, `10*`, or `1000..1999`: two of one length, the lower one first";
            errors.add(format!("{codes}/{wrong}"), "invalid_postal_code", detail);
        }
    }
}

/// How closely some areas name where an address is; no areas are the whole world.
pub fn closeness(areas: &[Area], address: &Address) -> Option<Closeness> {
    match areas {
        [] => Some(Closeness::World),
        areas => areas.iter().filter_map(|area| area.closeness(address)).max(),
    }
}

fn is_few(count: usize, most: usize, pointer: &str, errors: &mut FieldErrors) -> bool {
    if count > most {
        errors.add(pointer, "too_many", format!("at most {most}"));
    }
    count <= most
}

fn matches(pattern: &str, code: &str) -> bool {
    if let Some((first, last)) = pattern.split_once("..") {
        let length = code.chars().count();
        return length == normal(first).count()
            && length == normal(last).count()
            && normal(first).le(code.chars())
            && normal(last).ge(code.chars());
    }
    match pattern.strip_suffix('*') {
        Some(beginning) => {
            let mut code = code.chars();
            normal(beginning).all(|character| code.next() == Some(character))
        }
        None => normal(pattern).eq(code.chars()),
    }
}

/// Whether a postal code, or several of them, are named in a way that any address can have.
fn is_pattern(pattern: &str) -> bool {
    let is_written = |code: &str| {
        let mut characters = code.chars();
        normal(code).next().is_some()
            && characters.all(|character| character.is_alphanumeric() || matches!(character, ' ' | '-'))
    };
    match (pattern.split_once(".."), pattern.strip_suffix('*')) {
        (Some((first, last)), _) => {
            is_written(first)
                && is_written(last)
                && normal(first).count() == normal(last).count()
                && normal(first).le(normal(last))
        }
        (None, Some("")) => true,
        (None, Some(beginning)) => is_written(beginning),
        (None, None) => is_written(pattern),
    }
}

/// A code as it is compared. Not collected: a zone may name thousands of them.
fn normal(code: &str) -> impl Iterator<Item = char> {
    let kept = code.chars().filter(|character| character.is_alphanumeric());
    kept.flat_map(char::to_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(country: &str, region: Option<&str>, postal_code: &str) -> Address {
        Address {
            name: Text::parse("Ada").unwrap(),
            company: None,
            line1: Text::parse("1 Main St").unwrap(),
            line2: None,
            city: Text::parse("Town").unwrap(),
            region: region.map(|region| Text::parse(region).unwrap()),
            postal_code: Text::parse(postal_code).unwrap(),
            country: Country::parse(country).unwrap(),
            phone: None,
        }
    }

    fn area(country: &str, regions: &[&str], postal_codes: &[&str]) -> Area {
        Area {
            country: Country::parse(country).unwrap(),
            regions: regions.iter().map(|region| Text::parse(*region).unwrap()).collect(),
            postal_codes: postal_codes.iter().map(|code| Text::parse(*code).unwrap()).collect(),
        }
    }

    #[test]
    fn an_area_names_a_place_by_its_country_region_or_postal_code() {
        let chicago = address("US", Some("il"), "60601-1234");
        let closeness = |regions: &[&str], codes: &[&str]| area("US", regions, codes).closeness(&chicago);
        assert_eq!(closeness(&[], &[]), Some(Closeness::Country));
        assert_eq!(closeness(&["NY", "IL"], &[]), Some(Closeness::Region));
        assert_eq!(closeness(&["NY"], &[]), None);
        assert_eq!(closeness(&[], &["606*"]), Some(Closeness::PostalCode));
        assert_eq!(closeness(&["NY"], &["606*"]), None);
        assert_eq!(area("CA", &[], &[]).closeness(&chicago), None);
        assert_eq!(area("US", &["IL"], &[]).closeness(&address("US", None, "60601")), None);
    }

    #[test]
    fn postal_codes_are_named_one_by_one_by_their_beginning_or_by_ranges() {
        let is_in = |pattern: &str, code: &str| {
            area("AT", &[], &[pattern])
                .closeness(&address("AT", None, code))
                .is_some()
        };
        assert!(is_in("1010", "1010") && is_in("sw1y 4jh", "SW1Y4JH"));
        assert!(is_in("10*", "1099") && !is_in("10*", "1100") && is_in("*", "1"));
        assert!(is_in("1000..1999", "1000") && is_in("1000..1999", "1999"));
        assert!(!is_in("1000..1999", "2000") && !is_in("1000..1999", "150") && !is_in("1000..1999", "15000"));
    }

    #[test]
    fn the_closest_of_several_areas_counts_and_none_are_the_world() {
        let vienna = address("AT", None, "1010");
        let areas = [area("AT", &[], &[]), area("AT", &[], &["10*"]), area("DE", &[], &[])];
        assert_eq!(closeness(&areas, &vienna), Some(Closeness::PostalCode));
        assert_eq!(closeness(&areas[..1], &vienna), Some(Closeness::Country));
        assert_eq!(closeness(&[], &vienna), Some(Closeness::World));
        assert_eq!(closeness(&areas[2..], &vienna), None);
    }

    #[test]
    fn patterns_of_postal_codes_are_refused_where_no_address_could_have_them() {
        for pattern in [
            "1010",
            "SW1Y 4JH",
            "606*",
            "*",
            "1000..1999",
            "1000 .. 1000",
            "K1A 0A0..K1A 9Z9",
        ] {
            assert!(is_pattern(pattern), "{pattern}");
        }
        for pattern in [
            "-",
            " *",
            "10*5",
            "**",
            "1000..",
            "..1999",
            "1999..1000",
            "100..1999",
            "1000...1999",
            "10_",
        ] {
            assert!(!is_pattern(pattern), "{pattern}");
        }
    }

    #[test]
    fn what_is_too_much_of_an_area_is_named_and_of_wrong_codes_the_first() {
        let told = |areas: &[Area]| {
            let mut errors = FieldErrors::new();
            check_areas(areas, "/areas", &mut errors);
            let told = errors.as_slice().iter();
            told.map(|error| format!("{} {}", error.pointer, error.code))
                .collect::<Vec<_>>()
        };
        let austria = area("AT", &[], &["1010"]);
        assert_eq!(told(&vec![austria.clone(); 500]), [""; 0]);
        assert_eq!(told(&vec![austria.clone(); 501]), ["/areas too_many"]);
        let regions = area("AT", &["Tirol"; 201], &["1..2", "2..1", "3..1"]);
        let codes = area("AT", &[], &["1010"; 1_001]);
        let expected = [
            "/areas/1/regions too_many",
            "/areas/1/postal_codes/1 invalid_postal_code",
            "/areas/2/postal_codes too_many",
        ];
        assert_eq!(told(&[austria, regions, codes]), expected);
    }
}
