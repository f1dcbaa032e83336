//! Postal addresses, the same in the address book, on carts and on orders.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use crate::patch::present;
use crate::{FieldErrors, Patch, Text};

/// A postal address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Who receives.
    pub name: Text<1, 120>,
    /// Company, where it matters.
    #[serde(default)]
    pub company: Option<Text<1, 120>>,
    /// Street and number.
    pub line1: Text<1, 200>,
    /// Flat, floor, building.
    #[serde(default)]
    pub line2: Option<Text<1, 200>>,
    /// City or town.
    pub city: Text<1, 120>,
    /// State, province or region, where the country uses one.
    #[serde(default)]
    pub region: Option<Text<1, 120>>,
    /// Postal code; countries without one put `-`.
    pub postal_code: Text<1, 20>,
    /// ISO 3166-1 alpha-2.
    pub country: Country,
    /// For the carrier.
    #[serde(default)]
    pub phone: Option<Text<1, 40>>,
}

/// A merge patch of an address: what is absent stays, `null` clears what an address can do without.
#[derive(Clone, Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressPatch {
    /// Who receives.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Text<1, 120>, required = false)]
    name: Option<Text<1, 120>>,
    /// Company, where it matters.
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 120>>)]
    company: Patch<Text<1, 120>>,
    /// Street and number.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Text<1, 200>, required = false)]
    line1: Option<Text<1, 200>>,
    /// Flat, floor, building.
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 200>>)]
    line2: Patch<Text<1, 200>>,
    /// City or town.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Text<1, 120>, required = false)]
    city: Option<Text<1, 120>>,
    /// State, province or region, where the country uses one.
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 120>>)]
    region: Patch<Text<1, 120>>,
    /// Postal code; countries without one put `-`.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Text<1, 20>, required = false)]
    postal_code: Option<Text<1, 20>>,
    /// ISO 3166-1 alpha-2.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Country, required = false)]
    country: Option<Country>,
    /// For the carrier.
    #[serde(default)]
    #[schema(value_type = Option<Text<1, 40>>)]
    phone: Patch<Text<1, 40>>,
}

impl AddressPatch {
    /// `before` with this patch.
    pub fn over(self, before: Address) -> Address {
        Address {
            name: self.name.unwrap_or(before.name),
            company: self.company.apply(before.company),
            line1: self.line1.unwrap_or(before.line1),
            line2: self.line2.apply(before.line2),
            city: self.city.unwrap_or(before.city),
            region: self.region.apply(before.region),
            postal_code: self.postal_code.unwrap_or(before.postal_code),
            country: self.country.unwrap_or(before.country),
            phone: self.phone.apply(before.phone),
        }
    }

    /// The address after this patch, whether there was one before or not. Where there was none, the patch has to have all
    /// that an address needs; what it lacks is named below `pointer`.
    pub fn apply(self, before: Option<Address>, pointer: &str) -> Result<Address, FieldErrors> {
        if let Some(before) = before {
            return Ok(self.over(before));
        }
        let needed = [
            ("name", self.name.is_some()),
            ("line1", self.line1.is_some()),
            ("city", self.city.is_some()),
            ("postal_code", self.postal_code.is_some()),
            ("country", self.country.is_some()),
        ];
        let mut missing = FieldErrors::new();
        for (field, _) in needed.into_iter().filter(|(_, given)| !given) {
            missing.add(
                format!("{pointer}/{field}"),
                "required",
                "there is no address yet that it could stay in",
            );
        }
        match (self.name, self.line1, self.city, self.postal_code, self.country) {
            (Some(name), Some(line1), Some(city), Some(postal_code), Some(country)) => Ok(Address {
                name,
                company: self.company.apply(None),
                line1,
                line2: self.line2.apply(None),
                city,
                region: self.region.apply(None),
                postal_code,
                country,
                phone: self.phone.apply(None),
            }),
            _ => Err(missing),
        }
    }
}

impl From<Address> for AddressPatch {
    /// The patch that makes any address this one.
    fn from(address: Address) -> Self {
        Self {
            name: Some(address.name),
            company: address.company.into(),
            line1: Some(address.line1),
            line2: address.line2.into(),
            city: Some(address.city),
            region: address.region.into(),
            postal_code: Some(address.postal_code),
            country: Some(address.country),
            phone: address.phone.into(),
        }
    }
}

/// An ISO 3166-1 alpha-2 country code in capital letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(into = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// The code of an officially assigned country; anything else is refused.
    pub fn parse(code: &str) -> Result<Self, UnknownCountry> {
        match code.as_bytes() {
            [first, second] if COUNTRIES.split(' ').any(|known| known == code) => Ok(Self([*first, *second])),
            _ => Err(UnknownCountry),
        }
    }

    /// The two letters.
    pub fn code(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.code().into_owned()
    }
}

/// A string is not an ISO 3166-1 alpha-2 code.
#[derive(Debug, thiserror::Error)]
#[error("unknown_country: not an ISO 3166-1 alpha-2 country code in capital letters")]
pub struct UnknownCountry;

impl<'de> Deserialize<'de> for Country {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Cow::<'de, str>::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for Country {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^[A-Z]{2}$"))
            .examples(["US"])
            .into()
    }
}

impl utoipa::ToSchema for Country {}

/// The officially assigned codes of ISO 3166-1.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn home() -> Value {
        json!({"name": "Ada", "company": null, "line1": "1 Main St", "line2": "Flat 2", "city": "Springfield",
            "region": "IL", "postal_code": "62701", "country": "US", "phone": null})
    }

    fn patched(patch: Value) -> Value {
        let before: Address = serde_json::from_value(home()).unwrap();
        let patch: AddressPatch = serde_json::from_value(patch).unwrap();
        serde_json::to_value(patch.over(before)).unwrap()
    }

    #[test]
    fn an_empty_patch_keeps_everything() {
        assert_eq!(patched(json!({})), home());
    }

    #[test]
    fn values_set_and_null_clears() {
        let mut expected = home();
        expected["line2"] = Value::Null;
        expected["phone"] = json!("+1 555");
        expected["country"] = json!("CA");
        assert_eq!(
            patched(json!({"line2": null, "phone": "+1 555", "country": "CA"})),
            expected
        );
    }

    #[test]
    fn what_an_address_needs_cannot_be_cleared() {
        for field in ["name", "line1", "city", "postal_code", "country"] {
            let patch = serde_json::from_value::<AddressPatch>(json!({field: null}));
            assert!(patch.is_err(), "{field}");
        }
        assert!(serde_json::from_value::<AddressPatch>(json!({"planet": "Mars"})).is_err());
    }

    #[test]
    fn a_patch_of_no_address_has_to_be_a_whole_one() {
        let apply = |patch: Value| {
            serde_json::from_value::<AddressPatch>(patch)
                .unwrap()
                .apply(None, "/to")
        };
        let home: Address = serde_json::from_value(home()).unwrap();
        assert_eq!(apply(serde_json::to_value(&home).unwrap()), Ok(home.clone()));
        let errors = apply(json!({"name": "Ada", "line1": "1 Main St", "country": "US"})).unwrap_err();
        let pointers: Vec<&str> = errors.as_slice().iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/to/city", "/to/postal_code"]);
        // And one that is made from a whole address replaces any other.
        let other = AddressPatch::from(home.clone()).over(Address {
            phone: Some(Text::parse("1").unwrap()),
            ..home.clone()
        });
        assert_eq!(other, home);
    }

    #[test]
    fn only_assigned_country_codes_in_capitals_are_taken() {
        assert_eq!(Country::parse("DE").unwrap().code(), "DE");
        for bad in ["", "de", "D", "DEU", "XX", "A ", " AE", "E A"] {
            assert!(Country::parse(bad).is_err(), "{bad}");
        }
    }
}
