//! Gift cards and store credit: money that was paid, or granted, before.

use chrono::{DateTime, Datelike, Utc};
use kernel::id::{GiftCardEntryId, GiftCardId, OrderId, UserId};
use kernel::keys::random_bytes;
use kernel::money::MAX_AMOUNT;
use kernel::patch::present;
use kernel::{Currencies, FieldErrors, Money, Patch, Text};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::promotion::stored;

/// Why staff move money.
type Reason = Text<1, 500>;

/// The characters of codes: those that nobody takes for each other (Crockford's base 32, <https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// How many characters of a code everybody may see.
const SHOWN: usize = 4;

/// A gift card, or the store credit of a user in a currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct GiftCard {
    pub(crate) id: GiftCardId,
    /// The last characters of its code; `null` for store credit.
    pub(crate) last_characters: Option<String>,
    /// Whose store credit it is; `null` for gift cards, which whoever has the code may use.
    pub(crate) user_id: Option<UserId>,
    /// What is on it.
    pub(crate) balance: Money,
    /// Whether anything can be paid with it.
    pub(crate) enabled: bool,
    /// The first moment at which nothing can be paid with it; never where it is `null`.
    pub(crate) expires_at: Option<DateTime<Utc>>,
    /// The edit version: what `If-Match` refers to. Its balance changes without it.
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A gift card just made, with its code, which is shown this once. A repeat of the request shows the card without it.
#[derive(Clone, Serialize, ToSchema)]
pub(crate) struct IssuedGiftCard {
    #[serde(flatten)]
    pub(crate) card: GiftCard,
    /// For the buyer; nobody keeps it.
    #[schema(required = false, example = "7K3M-9QXT-B2CD-HJ4N")]
    pub(crate) code: String,
}

/// A movement of money on a gift card; none is ever changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct GiftCardEntry {
    pub(crate) id: GiftCardEntryId,
    /// `issued` and `adjusted` by staff; `spent` by an order, and `returned` where it was cancelled.
    #[schema(example = "spent")]
    pub(crate) kind: String,
    /// Less than nothing where it is taken off.
    pub(crate) amount: Money,
    pub(crate) order_id: Option<OrderId>,
    /// Who of the staff wrote it.
    pub(crate) staff_id: Option<UserId>,
    pub(crate) reason: Option<String>,
    pub(crate) created_at: DateTime<Utc>,
}

/// What store credit a user can pay with, in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct StoreCredit {
    pub(crate) balance: Money,
    /// The first moment at which it is lost; never where it is `null`.
    pub(crate) expires_at: Option<DateTime<Utc>>,
}

/// A new gift card.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGiftCard {
    /// In a currency in which the shop sells.
    pub(crate) amount: Money,
    /// In the future.
    expires_at: Option<DateTime<Utc>>,
    #[schema(value_type = Option<String>)]
    pub(crate) reason: Option<Reason>,
}

/// Changes of a gift card.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GiftCardPatch {
    #[serde(default, deserialize_with = "present")]
    enabled: Option<bool>,
    #[serde(default)]
    #[schema(value_type = Option<DateTime<Utc>>)]
    expires_at: Patch<DateTime<Utc>>,
}

/// Money that staff put on a gift card, or take off it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Adjustment {
    /// Less than nothing takes off. In the currency of the card.
    pub(crate) amount: Money,
    #[schema(value_type = String)]
    pub(crate) reason: Reason,
}

/// Store credit for a user.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    pub(crate) user_id: UserId,
    /// In a currency in which the shop sells.
    pub(crate) amount: Money,
    #[schema(value_type = String)]
    pub(crate) reason: Reason,
}

impl GiftCard {
    /// A card with nothing but money, made at `now`; of a code, or the store credit of a user.
    pub(crate) fn new(
        balance: Money,
        last_characters: Option<String>,
        user: Option<UserId>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            id: GiftCardId::generate(),
            last_characters,
            user_id: user,
            balance,
            enabled: true,
            expires_at: None,
            version: 1,
            created_at: now,
            updated_at: now,
        }
    }
}

impl NewGiftCard {
    /// The card that has `code`, made at `now`.
    pub(crate) fn card(
        &self,
        code: &str,
        currencies: &Currencies,
        now: DateTime<Utc>,
    ) -> Result<GiftCard, FieldErrors> {
        let mut errors = check_amount(self.amount, currencies);
        check_expiry(self.expires_at, &mut errors);
        if self.expires_at.is_some_and(|end| end <= now) {
            errors.add("/expires_at", "out_of_range", "must be in the future");
        }
        errors.into_result()?;
        let last = code.get(code.len().saturating_sub(SHOWN)..).map(str::to_owned);
        Ok(GiftCard {
            expires_at: self.expires_at.map(stored),
            ..GiftCard::new(self.amount, last, None, now)
        })
    }
}

impl GiftCardPatch {
    /// The card after the patch, made at `now`.
    pub(crate) fn apply(self, before: GiftCard, now: DateTime<Utc>) -> Result<GiftCard, FieldErrors> {
        let after = GiftCard {
            enabled: self.enabled.unwrap_or(before.enabled),
            expires_at: self.expires_at.map(stored).apply(before.expires_at),
            version: before.version + 1,
            updated_at: now,
            ..before
        };
        let mut errors = FieldErrors::new();
        check_expiry(after.expires_at, &mut errors);
        errors.into_result()?;
        Ok(after)
    }
}

impl Adjustment {
    /// Refuses what moves nothing, or more than any card has.
    pub(crate) fn check(&self) -> Result<(), FieldErrors> {
        match self.amount.amount {
            0 => Err(FieldErrors::one("/amount/amount", "out_of_range", "is not 0")),
            amount if amount.unsigned_abs() > MAX_AMOUNT.unsigned_abs() => Err(too_large()),
            _ => Ok(()),
        }
    }
}

impl Grant {
    /// Refuses what grants nothing, or in a currency in which nobody can pay.
    pub(crate) fn check(&self, currencies: &Currencies) -> Result<(), FieldErrors> {
        check_amount(self.amount, currencies).into_result()
    }
}

/// What is said of amounts that no card can have.
pub(crate) fn too_large() -> FieldErrors {
    FieldErrors::one(
        "/amount/amount",
        "out_of_range",
        "a card is given at most twelve digits in all",
    )
}

/// What is kept of a code, as somebody has typed it: spaces, hyphens and capitals do not matter, nor do characters that look
/// alike. Codes have 80 random bits, so that nobody finds one by trying, with the hashes or without.
pub(crate) fn gift_card_hash(typed: &str) -> Vec<u8> {
    let kept = typed.chars().filter(|character| character.is_ascii_alphanumeric());
    let normal: String = kept.map(|character| normal(character.to_ascii_uppercase())).collect();
    Sha256::digest(normal.as_bytes()).to_vec()
}

/// A new code: four groups of four characters.
pub(crate) fn new_gift_card_code() -> String {
    let characters: Vec<char> = random_bytes(16)
        .into_iter()
        .map(|byte| char::from(ALPHABET[usize::from(byte % 32)]))
        .collect();
    let groups: Vec<String> = characters.chunks(4).map(|group| group.iter().collect()).collect();
    groups.join("-")
}

fn check_amount(amount: Money, currencies: &Currencies) -> FieldErrors {
    let mut errors = FieldErrors::new();
    if !(1..=MAX_AMOUNT).contains(&amount.amount) {
        errors.add("/amount/amount", "out_of_range", "from 1, at most twelve digits");
    }
    if !currencies.has(amount.currency) {
        let detail = format!("this shop sells in {currencies}");
        errors.add("/amount/currency", "unsupported_currency", detail);
    }
    errors
}

fn check_expiry(time: Option<DateTime<Utc>>, errors: &mut FieldErrors) {
    if time.is_some_and(|time| !(1..=9999).contains(&time.year())) {
        errors.add("/expires_at", "out_of_range", "must be in a year from 1 to 9999");
    }
}

fn normal(character: char) -> char {
    match character {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_found_however_it_is_typed() {
        let code = new_gift_card_code();
        assert_eq!(code.len(), 19);
        let typed = code
            .replace('-', " ")
            .to_lowercase()
            .replace('0', "o")
            .replace('1', "l");
        assert_eq!(gift_card_hash(&code), gift_card_hash(&typed));
        assert_ne!(gift_card_hash(&code), gift_card_hash(&new_gift_card_code()));
    }

    #[test]
    fn a_card_has_money_of_the_shop_and_shows_the_end_of_its_code() {
        let euros = Currencies::new("EUR".parse().unwrap(), &[]);
        let made = |json: &str| {
            let new: NewGiftCard = kernel::http::json::parse(json.as_bytes()).unwrap();
            new.card("AAAA-BBBB-CCCC-DDDD", &euros, DateTime::UNIX_EPOCH)
        };
        let card = made(r#"{"amount":{"amount":5000,"currency":"EUR"}}"#).unwrap();
        assert_eq!(card.last_characters.as_deref(), Some("DDDD"));
        for (amount, rest, pointer) in [
            (r#"{"amount":0,"currency":"EUR"}"#, "", "/amount/amount"),
            (r#"{"amount":1000000000000,"currency":"EUR"}"#, "", "/amount/amount"),
            (r#"{"amount":1,"currency":"USD"}"#, "", "/amount/currency"),
            (
                r#"{"amount":1,"currency":"EUR"}"#,
                r#","expires_at":"1970-01-01T00:00:00Z""#,
                "/expires_at",
            ),
        ] {
            let errors = made(&format!(r#"{{"amount":{amount}{rest}}}"#)).unwrap_err();
            assert_eq!(errors.as_slice()[0].pointer, pointer, "{amount}");
        }
    }
}
