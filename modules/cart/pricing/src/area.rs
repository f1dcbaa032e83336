//! Parts of the world: where a method delivers, and where a tax is paid.

use kernel::Text;
use kernel::address::{Address, Country};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
        let code = normal(address.postal_code.as_str());
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

/// How closely some areas name where an address is; no areas are the whole world.
pub fn closeness(areas: &[Area], address: &Address) -> Option<Closeness> {
    match areas {
        [] => Some(Closeness::World),
        areas => areas.iter().filter_map(|area| area.closeness(address)).max(),
    }
}

fn matches(pattern: &str, code: &str) -> bool {
    if let Some((first, last)) = pattern.split_once("..") {
        let (first, last) = (normal(first), normal(last));
        return code.len() == first.len()
            && code.len() == last.len()
            && (first.as_str()..=last.as_str()).contains(&code);
    }
    match pattern.strip_suffix('*') {
        Some(beginning) => code.starts_with(&normal(beginning)),
        None => code == normal(pattern),
    }
}

fn normal(code: &str) -> String {
    let kept = code.chars().filter(|character| character.is_alphanumeric());
    kept.flat_map(char::to_uppercase).collect()
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
}
