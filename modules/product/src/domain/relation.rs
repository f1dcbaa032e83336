//! Products that are shown beside another one.

use std::collections::HashSet;

use kernel::FieldErrors;
use kernel::id::ProductId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::product::Product;

/// The most products beside one.
const MAX_RELATIONS: usize = 100;

/// Why a product is shown beside another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RelationKind {
    /// Something similar.
    Related,
    /// Something better to buy instead.
    Upsell,
    /// Something to buy besides.
    CrossSell,
    /// Something that is of use with it only.
    Accessory,
}

/// All kinds by their names.
pub(crate) const KINDS: [(&str, RelationKind); 4] = [
    ("related", RelationKind::Related),
    ("upsell", RelationKind::Upsell),
    ("cross_sell", RelationKind::CrossSell),
    ("accessory", RelationKind::Accessory),
];

/// A product beside another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Relation {
    pub(crate) kind: RelationKind,
    pub(crate) product_id: ProductId,
}

/// What is to be shown beside a product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRelations {
    /// All of them, in the order in which they are to stand; at most 100.
    pub(crate) related: Vec<Relation>,
}

/// What is shown beside a product, for staff.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Relations {
    pub(crate) product_id: ProductId,
    /// In their order, whatever their status.
    pub(crate) related: Vec<Relation>,
    /// The edit version of the product: relations are a part of it.
    pub(crate) version: i64,
}

/// What is shown beside a product.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelatedProducts {
    /// In their order, active ones only.
    pub(crate) data: Vec<RelatedProduct>,
}

/// A product that is shown beside another one.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RelatedProduct {
    pub(crate) kind: RelationKind,
    pub(crate) product: Product,
}

impl RelationKind {
    /// Its name, as the database has it.
    pub(crate) fn name(self) -> &'static str {
        KINDS
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("related", |(name, _)| name)
    }

    /// The kind of a name; the database has no others.
    pub(crate) fn from_name(name: &str) -> Self {
        KINDS
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(Self::Related, |(_, kind)| *kind)
    }
}

impl NewRelations {
    /// Checks what is to be shown beside the product `own`.
    pub(crate) fn check(&self, own: ProductId) -> Result<(), FieldErrors> {
        if self.related.len() > MAX_RELATIONS {
            return Err(FieldErrors::one(
                "/related",
                "too_many",
                format!("at most {MAX_RELATIONS}"),
            ));
        }
        let mut errors = FieldErrors::new();
        let mut seen = HashSet::new();
        for (index, relation) in self.related.iter().enumerate() {
            if relation.product_id == own {
                let detail = "a product cannot be beside itself";
                errors.add(format!("/related/{index}/product_id"), "self_reference", detail);
            }
            if !seen.insert(relation) {
                errors.add(format!("/related/{index}"), "duplicate", "is there already");
            }
        }
        errors.into_result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for (name, kind) in KINDS {
            assert_eq!((kind.name(), RelationKind::from_name(name)), (name, kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), name);
        }
    }
}
