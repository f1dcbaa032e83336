//! Many changes in one request. Each is read by itself and has its own result: what is wrong with one is no matter of the
//! others.

use std::collections::HashMap;

use kernel::http::json;
use kernel::id::{ProductId, VariantId};
use kernel::problem::ProblemSchema;
use kernel::{FieldErrors, Locale, Money, Patch, Problem};
use product_api::ProductError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::draft::{NewProduct, ProductPatch};
use super::further_price::one;
use super::translation::{ProductTranslation, Said};

/// The most operations of one request.
pub(crate) const MAX_OPERATIONS: usize = 250;

/// Operations on products.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkProducts {
    /// 1 to 250, at most one for each product.
    #[schema(value_type = Vec<BulkOperation>)]
    pub(crate) operations: Vec<Box<RawValue>>,
}

/// What is to be done with a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum BulkOperation {
    Create(CreateOperation),
    Update(UpdateOperation),
    Delete(DeleteOperation),
}

/// Adds a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateOperation {
    #[serde(rename = "op")]
    #[schema(value_type = OperationKind)]
    _kind: OperationKind,
    pub(crate) product: NewProduct,
    /// What is said of it in other languages.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, ProductTranslation>)]
    pub(crate) translations: Said,
}

/// Changes a product: a merge patch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UpdateOperation {
    #[serde(rename = "op")]
    #[schema(value_type = OperationKind)]
    _kind: OperationKind,
    pub(crate) id: ProductId,
    /// The version that is edited; any where it is not given.
    #[serde(default)]
    pub(crate) version: Option<i64>,
    pub(crate) product: ProductPatch,
    /// What is said of it in other languages, each as a whole: `null` takes it back, languages that are left out stay as
    /// they are.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, ProductTranslation>)]
    pub(crate) translations: Said,
}

/// Takes a product out of the catalogue.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeleteOperation {
    #[serde(rename = "op")]
    #[schema(value_type = OperationKind)]
    _kind: OperationKind,
    pub(crate) id: ProductId,
    /// The version that was seen; any where it is not given.
    #[serde(default)]
    pub(crate) version: Option<i64>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OperationKind {
    Create,
    Update,
    Delete,
}

/// What has become of each operation, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkProductsOutcome {
    pub(crate) results: Vec<OperationOutcome>,
}

/// What has become of an operation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OperationOutcome {
    /// The status that a request of its own would have had.
    pub(crate) status: u16,
    /// Of the product, as far as it is known.
    pub(crate) id: Option<ProductId>,
    /// Of the product after a change.
    pub(crate) version: Option<i64>,
    /// Why nothing was done.
    #[schema(value_type = Option<ProblemSchema>)]
    pub(crate) problem: Option<Map<String, Value>>,
}

/// Changes of prices.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkPrices {
    /// 1 to 250, at most one for each variant, currency and quantity.
    #[schema(value_type = Vec<PriceChange>)]
    pub(crate) prices: Vec<Box<RawValue>>,
}

/// A new price of a variant, in any of the shop's currencies.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceChange {
    pub(crate) variant_id: VariantId,
    /// From how many on it holds; 1 where it is not given.
    #[serde(default = "one")]
    #[schema(required = false, minimum = 1, maximum = 999)]
    pub(crate) min_quantity: i64,
    pub(crate) price: Money,
    /// `null` takes it away; it stays where nothing is said.
    #[serde(default)]
    #[schema(value_type = Option<Money>)]
    pub(crate) compare_at_price: Patch<Money>,
}

/// What has become of each price, in their order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkPricesOutcome {
    pub(crate) results: Vec<PriceOutcome>,
}

/// What has become of a price.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PriceOutcome {
    /// 200, or the status of the problem.
    pub(crate) status: u16,
    pub(crate) variant_id: Option<VariantId>,
    pub(crate) product_id: Option<ProductId>,
    /// Of the product after the change, which has one for all of its variants.
    pub(crate) version: Option<i64>,
    /// Why nothing was done.
    #[schema(value_type = Option<ProblemSchema>)]
    pub(crate) problem: Option<Map<String, Value>>,
}

/// What products are known by, each of which only one may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Handle(String),
    ExternalId(String),
    Sku(String),
    /// A handle in another language.
    Translated(Locale, String),
}

/// Who has which names: products as they are stored, and operations as they go.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<Name, Holder>);

/// Who has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A product that is stored.
    Product(Uuid),
    /// The operation at this place of the request.
    Operation(usize),
}

impl BulkOperation {
    /// Reads an operation; what is wrong is told as if it were the whole request.
    pub(crate) fn parse(raw: &RawValue) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Kind {
            op: OperationKind,
        }
        let bytes = raw.get().as_bytes();
        check_object(raw)?;
        Ok(match json::parse::<Kind>(bytes)?.op {
            OperationKind::Create => Self::Create(json::parse(bytes)?),
            OperationKind::Update => Self::Update(json::parse(bytes)?),
            OperationKind::Delete => Self::Delete(json::parse(bytes)?),
        })
    }

    /// The product that it is about, unless it makes one.
    pub(crate) fn id(&self) -> Option<ProductId> {
        match self {
            Self::Create(_) => None,
            Self::Update(operation) => Some(operation.id),
            Self::Delete(operation) => Some(operation.id),
        }
    }

    /// What is said of the product in other languages.
    pub(crate) fn translations(&self) -> Option<&Said> {
        match self {
            Self::Create(operation) => Some(&operation.translations),
            Self::Update(operation) => Some(&operation.translations),
            Self::Delete(_) => None,
        }
    }

    /// The version that the product has to have.
    pub(crate) fn version(&self) -> Option<i64> {
        match self {
            Self::Create(_) => None,
            Self::Update(operation) => operation.version,
            Self::Delete(operation) => operation.version,
        }
    }
}

impl PriceChange {
    /// Reads a change; what is wrong is told as if it were the whole request.
    pub(crate) fn parse(raw: &RawValue) -> Result<Self, Problem> {
        check_object(raw)?;
        json::parse(raw.get().as_bytes())
    }
}

impl OperationOutcome {
    /// The outcome of an operation that was carried out.
    pub(crate) fn done(status: u16, id: ProductId, version: Option<i64>) -> Self {
        Self {
            status,
            id: Some(id),
            version,
            problem: None,
        }
    }

    /// The outcome of an operation that was left out.
    pub(crate) fn refused(id: Option<ProductId>, problem: &Problem) -> Self {
        Self {
            status: problem.status().as_u16(),
            id,
            version: None,
            problem: Some(problem.to_json()),
        }
    }
}

impl PriceOutcome {
    /// The outcome of a price that was left alone.
    pub(crate) fn refused(variant_id: Option<VariantId>, problem: &Problem) -> Self {
        Self {
            status: problem.status().as_u16(),
            variant_id,
            product_id: None,
            version: None,
            problem: Some(problem.to_json()),
        }
    }
}

impl Names {
    /// Notes that a stored product has a name.
    pub(crate) fn note(&mut self, name: Name, product: Uuid) {
        self.0.insert(name, Holder::Product(product));
    }

    /// Whether somebody has a name.
    pub(crate) fn has(&self, name: &Name) -> bool {
        self.0.contains_key(name)
    }

    /// Gives `names` to an operation on the product `own`, or none of them where somebody else has one. What a change
    /// leaves behind stays taken until the request is done: the database would see both for a moment.
    pub(crate) fn claim(&mut self, names: Vec<Name>, place: usize, own: Option<Uuid>) -> Result<(), ProductError> {
        self.check(&names, place, own)?;
        for name in names {
            self.0.entry(name).or_insert(Holder::Operation(place));
        }
        Ok(())
    }

    /// Refuses `names` that somebody else has.
    pub(crate) fn check(&self, names: &[Name], place: usize, own: Option<Uuid>) -> Result<(), ProductError> {
        let is_own = |holder: &Holder| *holder == Holder::Operation(place) || own.map(Holder::Product) == Some(*holder);
        let taken = names
            .iter()
            .find(|name| self.0.get(name).is_some_and(|holder| !is_own(holder)));
        match taken {
            Some(name) => Err(ProductError::Taken(name.describe().to_owned())),
            None => Ok(()),
        }
    }
}

impl Name {
    fn describe(&self) -> &'static str {
        match self {
            Self::Handle(_) | Self::Translated(..) => "product (by its handle)",
            Self::ExternalId(_) => "product (by its external_id)",
            Self::Sku(_) => "variant (by its sku)",
        }
    }
}

/// Checks how many there are, of `operations` or `prices`.
pub(crate) fn check_count(pointer: &str, count: usize) -> Result<(), FieldErrors> {
    match count {
        0 => Err(FieldErrors::one(pointer, "required", "at least one")),
        count if count > MAX_OPERATIONS => {
            let detail = format!("at most {MAX_OPERATIONS}");
            Err(FieldErrors::one(pointer, "too_many", detail))
        }
        _ => Ok(()),
    }
}

/// Serde would take an array for a struct, its values in the order of the fields.
pub(super) fn check_object(raw: &RawValue) -> Result<(), Problem> {
    match raw.get().starts_with('{') {
        true => Ok(()),
        false => Err(Problem::invalid(FieldErrors::one(
            "",
            "invalid_type",
            "must be an object",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(json: &str) -> Result<BulkOperation, Problem> {
        BulkOperation::parse(&serde_json::from_str::<Box<RawValue>>(json).unwrap())
    }

    #[test]
    fn an_operation_is_read_by_its_kind() {
        let id = ProductId::generate();
        assert!(matches!(
            parse(r#"{"op":"create","product":{"title":"Mug"}}"#),
            Ok(BulkOperation::Create(_))
        ));
        let update = parse(&format!(
            r#"{{"product":{{"title":"Cup"}},"version":3,"id":"{id}","op":"update"}}"#
        ))
        .unwrap();
        assert_eq!((update.id(), update.version()), (Some(id), Some(3)));
        for (wrong, pointer, code) in [
            (r#"{"op":"create"}"#, "/product", "required"),
            (r#"{"op":"move"}"#, "/op", "unknown_value"),
            (r#"{"product":{}}"#, "/op", "required"),
            (
                r#"{"op":"create","product":{"title":1}}"#,
                "/product/title",
                "invalid_type",
            ),
            (r#"{"op":"delete","id":"x"}"#, "/id", "invalid"),
            (r#"{"op":"delete","product":{}}"#, "/product", "unknown_field"),
            (r#"["create"]"#, "", "invalid_type"),
        ] {
            let problem = parse(wrong).unwrap_err().to_json();
            let error = &problem["errors"][0];
            assert_eq!(
                (&error["pointer"], &error["code"]),
                (&pointer.into(), &code.into()),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_name_has_one_holder_and_all_names_are_given_or_none() {
        let (mug, cup) = (Uuid::now_v7(), Uuid::now_v7());
        let handle = |text: &str| Name::Handle(text.to_owned());
        let mut names = Names::default();
        names.note(handle("mug"), mug);
        assert!(names.claim(vec![handle("new"), handle("mug")], 0, Some(cup)).is_err());
        assert!(!names.has(&handle("new")));
        assert!(names.claim(vec![handle("new"), handle("mug")], 1, Some(mug)).is_ok());
        assert!(names.claim(vec![handle("new")], 2, None).is_err());
        assert!(names.claim(vec![Name::Sku("new".to_owned())], 2, None).is_ok());
    }

    proptest! {
        #[test]
        fn no_two_operations_get_the_same_name(wanted in proptest::collection::vec("[a-c]", 1..20)) {
            let mut names = Names::default();
            let mut given: Vec<&String> = Vec::new();
            for (place, name) in wanted.iter().enumerate() {
                if names.claim(vec![Name::Handle(name.clone())], place, None).is_ok() {
                    given.push(name);
                }
            }
            let count = given.len();
            given.sort();
            given.dedup();
            prop_assert_eq!(given.len(), count);
        }
    }
}
