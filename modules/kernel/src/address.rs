//! Postal addresses, the same in the address book, on carts and on orders.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};

use crate::Text;

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

    #[test]
    fn only_assigned_country_codes_in_capitals_are_taken() {
        assert_eq!(Country::parse("DE").unwrap().code(), "DE");
        for bad in ["", "de", "D", "DEU", "XX", "A ", " AE", "E A"] {
            assert!(Country::parse(bad).is_err(), "{bad}");
        }
    }
}
