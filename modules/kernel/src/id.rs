//! Typed ids: `product_01jd…`, a prefix that names the kind and a UUIDv7 in the TypeID alphabet
//! (<https://github.com/jetify-com/typeid/tree/main/spec>). Databases store the bare UUID.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use type_safe_id::{StaticType, TypeSafeId};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, schema::Type};
use uuid::Uuid;

/// What an [`Id`] identifies; implemented by the empty types in [`kind`].
pub trait Kind: StaticType + Send + Sync + 'static {}

/// An id of one kind: `product_…` never parses as an order's id.
pub struct Id<K>(Uuid, PhantomData<fn() -> K>);

impl<K: Kind> Id<K> {
    /// A new id, ordered by time of creation (UUIDv7).
    pub fn generate() -> Self {
        Self::from(Uuid::now_v7())
    }

    /// The bare UUID, as databases store it.
    pub fn uuid(self) -> Uuid {
        self.0
    }
}

impl<K> From<Uuid> for Id<K> {
    fn from(uuid: Uuid) -> Self {
        Self(uuid, PhantomData)
    }
}

impl<K> From<Id<K>> for Uuid {
    fn from(id: Id<K>) -> Self {
        id.0
    }
}

impl<K: Kind> fmt::Display for Id<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        TypeSafeId::<K>::from_uuid(self.0).fmt(formatter)
    }
}

impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A string is not an id of the expected kind.
#[derive(Debug, thiserror::Error)]
#[error("not a `{0}_` id")]
pub struct NotAnId(&'static str);

impl<K: Kind> FromStr for Id<K> {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed: TypeSafeId<K> = text.parse().map_err(|_| NotAnId(K::TYPE))?;
        Ok(parsed.uuid().into())
    }
}

impl<K: Kind> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl<K: Kind> utoipa::PartialSchema for Id<K> {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(format!("^{}_[0-7][0-9a-hjkmnp-tv-z]{{25}}$", K::TYPE)))
            .description(Some("opaque id: a prefix and a UUIDv7 in the TypeID alphabet"))
            .into()
    }
}

impl<K: Kind> utoipa::ToSchema for Id<K> {
    fn name() -> Cow<'static, str> {
        let mut characters = K::TYPE.chars();
        let first = characters.next().map(|first| first.to_ascii_uppercase());
        first
            .into_iter()
            .chain(characters)
            .chain("Id".chars())
            .collect::<String>()
            .into()
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $prefix:literal as $alias:ident;)*) => {
        /// The kinds of ids, one empty type each.
        pub mod kind {
            $(
                $(#[$doc])*
                #[derive(Debug, Default)]
                pub struct $kind;
                impl type_safe_id::StaticType for $kind {
                    const TYPE: &'static str = $prefix;
                }
                impl super::Kind for $kind {}
            )*
        }
        $($(#[$doc])* pub type $alias = Id<kind::$kind>;)*
    };
}

kinds! {
    /// A product of the catalogue.
    Product = "product" as ProductId;
    /// A sellable variant of a product.
    Variant = "variant" as VariantId;
    /// A node of the category tree.
    Category = "category" as CategoryId;
    /// A product type: which attributes products of a kind have.
    ProductType = "type" as ProductTypeId;
    /// A collection of products.
    Collection = "collection" as CollectionId;
    /// A claim on stock that an order holds.
    Reservation = "reservation" as ReservationId;
    /// Goods of an order that come back.
    Restock = "restock" as RestockId;
    /// A cart.
    Cart = "cart" as CartId;
    /// A line of a cart.
    Item = "item" as ItemId;
    /// An order.
    Order = "order" as OrderId;
    /// A line of an order.
    Line = "line" as LineId;
    /// One attempt to pay an order.
    Payment = "payment" as PaymentId;
    /// An invoice or a credit note.
    Document = "document" as DocumentId;
    /// A refund of a payment.
    Refund = "refund" as RefundId;
    /// A parcel of an order.
    Fulfilment = "fulfilment" as FulfilmentId;
    /// Goods that a buyer sends back.
    Return = "return" as ReturnId;
    /// A change of a placed order.
    OrderEdit = "edit" as OrderEditId;
    /// An order that staff prepare for a buyer.
    DraftOrder = "draft" as DraftOrderId;
    /// An account.
    User = "user" as UserId;
    /// An entry of an address book.
    Address = "address" as AddressId;
    /// A sign-in, and the family of refresh tokens that goes with it.
    Session = "session" as SessionId;
    /// A published event.
    Event = "event" as EventId;
    /// A background import.
    Import = "import" as ImportId;
    /// A background export.
    Export = "export" as ExportId;
    /// A place where stock lies.
    Location = "location" as LocationId;
    /// A transfer of stock from one place to another.
    Transfer = "transfer" as TransferId;
    /// A list of prices: a sale, or what a group of customers pays.
    PriceList = "pricelist" as PriceListId;
    /// A group of customers with prices of their own.
    CustomerGroup = "group" as CustomerGroupId;
    /// Something that lowers what is paid.
    Promotion = "promotion" as PromotionId;
    /// A gift card, or the store credit of a customer.
    GiftCard = "giftcard" as GiftCardId;
    /// A movement of money on a gift card.
    GiftCardEntry = "giftcardentry" as GiftCardEntryId;
    /// A part of the world to which goods are sent in the same ways.
    ShippingZone = "shippingzone" as ShippingZoneId;
    /// A way in which goods are sent.
    ShippingMethod = "shipping" as ShippingMethodId;
    /// A part of the world with the same taxes.
    TaxZone = "taxzone" as TaxZoneId;
    /// Words that mean the same to the search.
    Synonyms = "synonyms" as SynonymsId;
    /// Where products stand when somebody searches for something.
    SearchRule = "searchrule" as SearchRuleId;
    /// A place outside the shop that is told of events.
    WebhookEndpoint = "webhook" as WebhookEndpointId;
    /// An event on its way to such a place.
    WebhookDelivery = "delivery" as WebhookDeliveryId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_round_trip_through_text() {
        let id = OrderId::generate();
        assert_eq!(id.to_string().parse::<OrderId>().unwrap(), id);
        assert!(id.to_string().starts_with("order_"));
    }

    #[test]
    fn an_id_of_another_kind_or_with_a_bad_suffix_is_refused() {
        let order = OrderId::generate().to_string();
        assert!(order.parse::<CartId>().is_err());
        for text in [
            "",
            "order_",
            "order_ILOU",
            "order",
            "order_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "ORDER_01h2xcejqtf2nbrexx3vqjhp41",
        ] {
            assert!(text.parse::<OrderId>().is_err(), "{text}");
        }
    }

    #[test]
    fn ids_sort_by_their_time_of_creation() {
        let first = OrderId::generate();
        let second = OrderId::generate();
        assert!(first < second);
    }
}
