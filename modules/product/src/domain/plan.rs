//! What has to be written so that stored products become what they are to be. Worked out before anything is written, so
//! that one product and a thousand are written by the same few statements.

use std::collections::HashMap;

use uuid::Uuid;

use super::bundle::NamedComponent;
use super::listing::{ListedVariant, Listing};
use super::stock::{Target, wanted};

/// A product as the database has it. Its variants know their ids and how many there are.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) listing: Listing,
}

/// One product that is to be.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) before: Option<Stored>,
    pub(crate) after: Listing,
}

/// What a change comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Created,
    Updated,
    Unchanged,
}

/// Everything to write for some changes.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Per change: the product's id and what becomes of it.
    pub(crate) outcomes: Vec<(Uuid, Outcome)>,
    pub(crate) insert_products: Vec<(Uuid, Listing)>,
    pub(crate) update_products: Vec<(Uuid, Listing)>,
    pub(crate) insert_variants: Vec<VariantRow>,
    pub(crate) update_variants: Vec<VariantRow>,
    /// Those of them that get another SKU or other values. What they had may be what others are to have.
    pub(crate) renamed_variants: Vec<Uuid>,
    pub(crate) delete_variants: Vec<Uuid>,
    /// For new variants: how many there are.
    pub(crate) initial_stock: Vec<(Uuid, i64)>,
    /// For old variants: how many there are to be. Only files say so; whoever reads one sees to them.
    pub(crate) target_stock: Vec<Target>,
    /// For variants that are to consist of something else than they do. Whoever makes listings with components sees to them.
    pub(crate) compositions: Vec<Composition>,
}

/// What a variant is to consist of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Composition {
    pub(crate) variant: Uuid,
    pub(crate) product: Uuid,
    /// Which variant of its product it is.
    pub(crate) position: i32,
    /// With none of them it is no bundle any more.
    pub(crate) components: Vec<NamedComponent>,
}

/// A variant to write.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VariantRow {
    pub(crate) id: Uuid,
    pub(crate) product: Uuid,
    pub(crate) position: i32,
    pub(crate) title: String,
    pub(crate) values: Vec<String>,
    pub(crate) variant: ListedVariant,
}

impl Plan {
    /// The plan of `changes`; `new_id` makes ids.
    pub(crate) fn of(changes: Vec<Change>, new_id: impl Fn() -> Uuid) -> Self {
        let mut plan = Self::default();
        for change in changes {
            match change.before {
                None => plan.create(change.after, &new_id),
                Some(before) => plan.update(before, change.after, &new_id),
            }
        }
        plan
    }

    fn create(&mut self, listing: Listing, new_id: &impl Fn() -> Uuid) {
        let id = new_id();
        for row in rows(id, &listing) {
            self.insert_variant(row, new_id());
        }
        self.outcomes.push((id, Outcome::Created));
        self.insert_products.push((id, listing));
    }

    fn update(&mut self, before: Stored, after: Listing, new_id: &impl Fn() -> Uuid) {
        let old_rows: Vec<VariantRow> = rows(before.id, &before.listing).collect();
        let mut old: HashMap<Uuid, &VariantRow> = old_rows.iter().map(|row| (row.id, row)).collect();
        let (mut changed, mut restocked) = (false, false);
        for mut row in rows(before.id, &after) {
            let Some(old_row) = row.variant.id.and_then(|id| old.remove(&id)) else {
                self.insert_variant(row, new_id());
                changed = true;
                continue;
            };
            row.variant.prices = row.variant.prices.or_else(|| old_row.variant.prices.clone());
            row.variant.components = row.variant.components.or_else(|| old_row.variant.components.clone());
            row.variant.weight_grams = row.variant.weight_grams.or(old_row.variant.weight_grams);
            row.variant.requires_shipping = row.variant.requires_shipping.or(old_row.variant.requires_shipping);
            if row.variant.components != old_row.variant.components {
                self.compositions.extend(row.composition());
            }
            if let Some(target) = row.target(old_row.variant.stock) {
                self.target_stock.push(target);
                restocked = true;
            }
            if old_row.gives_up_names(&row) {
                self.renamed_variants.push(row.id);
            }
            if !old_row.looks_like(&row) {
                self.update_variants.push(row);
                changed = true;
            }
        }
        changed |= !old.is_empty();
        self.delete_variants.extend(old.into_keys());
        changed |= !same_but_variants(&before.listing, &after);
        let outcome = if changed || restocked {
            Outcome::Updated
        } else {
            Outcome::Unchanged
        };
        self.outcomes.push((before.id, outcome));
        if changed {
            self.update_products.push((before.id, after));
        }
    }

    fn insert_variant(&mut self, row: VariantRow, id: Uuid) {
        let row = VariantRow { id, ..row };
        self.initial_stock.push((id, row.variant.stock.unwrap_or(0)));
        self.compositions
            .extend(row.composition().filter(|_| row.variant.is_bundle()));
        self.insert_variants.push(row);
    }
}

impl VariantRow {
    /// Whether there are prices in other currencies or from larger quantities on.
    pub(crate) fn has_further_prices(&self) -> bool {
        self.variant.prices.as_ref().is_some_and(|prices| !prices.is_empty())
    }

    fn composition(&self) -> Option<Composition> {
        let components = self.variant.components.clone()?;
        Some(Composition {
            variant: self.id,
            product: self.product,
            position: self.position,
            components,
        })
    }

    /// Whether it has a SKU or values that it is not to have any more as `other`.
    fn gives_up_names(&self, other: &Self) -> bool {
        let (sku, other_sku) = (&self.variant.sku, &other.variant.sku);
        sku.is_some() && sku != other_sku || self.values != other.values
    }

    /// How many there are to be, where somebody decided on another figure than there is.
    fn target(&self, on_hand: Option<i64>) -> Option<Target> {
        let (stock, seen) = (self.variant.stock?, self.variant.stock_seen);
        let is_there = on_hand.is_some_and(|on_hand| wanted(stock, seen, on_hand) == on_hand);
        let is_decided = seen != Some(stock) && !is_there;
        is_decided.then_some(Target {
            variant: self.id,
            product: self.product,
            position: self.position,
            stock,
            seen,
        })
    }

    fn looks_like(&self, other: &Self) -> bool {
        let (stock, stock_seen) = (other.variant.stock, other.variant.stock_seen);
        let mut this = self.clone();
        this.variant = ListedVariant {
            stock,
            stock_seen,
            ..this.variant
        };
        this == *other
    }
}

/// The rows of a product's variants. A new variant has no id of its own yet.
fn rows(product: Uuid, listing: &Listing) -> impl Iterator<Item = VariantRow> {
    listing
        .variants
        .iter()
        .zip(0..)
        .map(move |(variant, position)| VariantRow {
            id: variant.id.unwrap_or_default(),
            product,
            position,
            title: listing.title_of(variant),
            values: listing.values_of(variant),
            variant: ListedVariant {
                title: None,
                values: super::pairs::Pairs::default(),
                ..variant.clone()
            },
        })
}

fn same_but_variants(left: &Listing, right: &Listing) -> bool {
    let mut left = left.clone();
    left.variants = right.variants.clone();
    left == *right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::bundle::VariantName;
    use crate::domain::listing::tests::{listing, variant};
    use proptest::prelude::*;

    fn stored(mut listing: Listing) -> Stored {
        for variant in &mut listing.variants {
            variant.id = Some(Uuid::now_v7());
        }
        Stored {
            id: Uuid::now_v7(),
            version: 1,
            listing,
        }
    }

    fn plan(before: &Stored, mut after: Listing) -> Plan {
        let ids = after.counterparts(&before.listing).into_iter();
        let ids: Vec<Option<Uuid>> = ids.map(|old| old.and_then(|old| old.id)).collect();
        let variants = after.variants.iter_mut().zip(ids);
        variants.for_each(|(variant, id)| variant.id = id);
        let before = Some(before.clone());
        Plan::of(vec![Change { before, after }], Uuid::now_v7)
    }

    fn sizes(prices: &[(&str, i64)]) -> Listing {
        listing(
            prices
                .iter()
                .map(|(size, price)| variant(&[("Size", size)], *price))
                .collect(),
        )
    }

    #[test]
    fn what_is_the_same_is_not_written() {
        let before = stored(sizes(&[("S", 1), ("M", 2)]));
        let plan = plan(&before, sizes(&[("S", 1), ("M", 2)]));
        assert_eq!(plan.outcomes, [(before.id, Outcome::Unchanged)]);
        assert!(plan.update_products.is_empty() && plan.update_variants.is_empty() && plan.target_stock.is_empty());
    }

    #[test]
    fn variants_are_those_that_they_were() {
        let before = stored(sizes(&[("S", 1), ("M", 2)]));
        let plan = plan(&before, sizes(&[("M", 3), ("L", 4)]));
        assert_eq!(plan.delete_variants, [before.listing.variants[0].id.unwrap()]);
        assert_eq!(plan.update_variants.len(), 1);
        assert_eq!(plan.update_variants[0].id, before.listing.variants[1].id.unwrap());
        assert_eq!(plan.insert_variants.len(), 1);
        assert_eq!(plan.initial_stock, [(plan.insert_variants[0].id, 1)]);
        assert_eq!(plan.update_products.len(), 1);
    }

    #[test]
    fn variants_are_matched_in_whatever_order_the_options_are() {
        let sides = |names: [&str; 2]| {
            let of = |front: &str, back: &str| {
                let values = [("Front", front), ("Back", back)];
                let ordered = names.map(|name| values.iter().find(|(known, _)| *known == name).copied().unwrap());
                variant(&ordered, 1)
            };
            listing(vec![of("Red", "Blue"), of("Blue", "Red"), of("Red", "Red")])
        };
        let before = stored(sides(["Front", "Back"]));
        let plan = plan(&before, sides(["Back", "Front"]));
        let ids = |rows: &[VariantRow]| rows.iter().map(|row| Some(row.id)).collect::<Vec<_>>();
        let known: Vec<Option<Uuid>> = before.listing.variants.iter().map(|variant| variant.id).collect();
        assert_eq!(ids(&plan.update_variants), known[..2]);
        assert!(plan.insert_variants.is_empty() && plan.delete_variants.is_empty());
        assert_eq!(
            plan.renamed_variants.iter().copied().map(Some).collect::<Vec<_>>(),
            known[..2]
        );
    }

    #[test]
    fn a_variant_that_gets_its_first_sku_has_none_to_give_up() {
        let before = stored(sizes(&[("S", 1), ("M", 2)]));
        let mut after = before.listing.clone();
        after.variants[0].sku = Some("A".to_owned());
        let first = plan(&before, after.clone());
        assert_eq!((first.update_variants.len(), first.renamed_variants), (1, vec![]));
        let before = Stored {
            listing: after.clone(),
            ..before
        };
        for sku in [None, Some("B".to_owned())] {
            after.variants[0].sku = sku;
            let next = plan(&before, after.clone());
            assert_eq!(next.renamed_variants, [before.listing.variants[0].id.unwrap()]);
        }
    }

    #[test]
    fn stock_alone_does_not_edit_the_product() {
        let before = stored(sizes(&[("S", 1)]));
        let mut after = sizes(&[("S", 1)]);
        after.variants[0].stock = Some(9);
        let changed = plan(&before, after.clone());
        let target = Target {
            variant: before.listing.variants[0].id.unwrap(),
            product: before.id,
            position: 0,
            stock: 9,
            seen: None,
        };
        assert_eq!(changed.target_stock, [target]);
        assert!(changed.update_products.is_empty() && changed.update_variants.is_empty());
        assert_eq!(changed.outcomes[0].1, Outcome::Updated);
        after.variants[0].stock = None;
        assert_eq!(plan(&before, after).outcomes[0].1, Outcome::Unchanged);
    }

    #[test]
    fn stock_that_somebody_saw_and_did_not_change_is_left_alone() {
        let before = stored(sizes(&[("S", 1)]));
        let mut after = sizes(&[("S", 1)]);
        after.variants[0].stock = Some(9);
        after.variants[0].stock_seen = Some(9);
        assert_eq!(plan(&before, after.clone()).outcomes[0].1, Outcome::Unchanged);
        after.variants[0].stock = Some(10);
        let changed = plan(&before, after);
        assert_eq!(
            (changed.target_stock[0].stock, changed.target_stock[0].seen),
            (10, Some(9))
        );
    }

    #[test]
    fn what_a_variant_weighs_and_whether_it_is_shipped_is_left_alone_where_nothing_is_said() {
        let shirt = |weight_grams: Option<i64>, requires_shipping: Option<bool>| {
            let mut shirt = sizes(&[("S", 1)]);
            shirt.variants[0].weight_grams = weight_grams;
            shirt.variants[0].requires_shipping = requires_shipping;
            shirt
        };
        let before = stored(shirt(Some(180), Some(false)));
        for same in [
            (None, None),
            (Some(180), None),
            (None, Some(false)),
            (Some(180), Some(false)),
        ] {
            let plan = plan(&before, shirt(same.0, same.1));
            assert_eq!(plan.outcomes[0].1, Outcome::Unchanged, "{same:?}");
        }
        for (other, written) in [
            ((Some(0), None), (Some(0), Some(false))),
            ((None, Some(true)), (Some(180), Some(true))),
        ] {
            let plan = plan(&before, shirt(other.0, other.1));
            let variant = &plan.update_variants[0].variant;
            assert_eq!((variant.weight_grams, variant.requires_shipping), written);
            assert_eq!((plan.outcomes[0].1, plan.update_products.len()), (Outcome::Updated, 1));
        }
    }

    #[test]
    fn what_a_variant_consists_of_is_written_where_it_is_another_and_left_alone_where_nothing_is_said() {
        let component = |sku: &str| NamedComponent {
            variant: VariantName::Sku(sku.to_owned()),
            quantity: 2,
        };
        let gift = |components: Option<Vec<NamedComponent>>| {
            let mut gift = sizes(&[("S", 1)]);
            gift.variants[0].components = components;
            gift
        };
        let (mugs, cups) = (vec![component("MUG")], vec![component("CUP")]);
        let before = stored(gift(Some(mugs.clone())));
        for same in [None, Some(mugs.clone())] {
            let plan = plan(&before, gift(same));
            assert_eq!((plan.compositions, plan.outcomes[0].1), (vec![], Outcome::Unchanged));
        }
        for other in [cups, vec![]] {
            let plan = plan(&before, gift(Some(other.clone())));
            assert_eq!(
                (&plan.compositions[0].components, plan.outcomes[0].1),
                (&other, Outcome::Updated)
            );
            assert_eq!(Some(plan.compositions[0].variant), before.listing.variants[0].id);
            assert_eq!(plan.update_products.len(), 1);
        }
        let new = |components| {
            Plan::of(
                vec![Change {
                    before: None,
                    after: gift(components),
                }],
                Uuid::now_v7,
            )
        };
        assert_eq!(new(Some(mugs.clone())).compositions[0].components, mugs);
        assert!(new(Some(vec![])).compositions.is_empty() && new(None).compositions.is_empty());
    }

    proptest! {
        #[test]
        fn a_plan_ends_with_exactly_the_wanted_variants(
            before in proptest::collection::btree_map("[A-F]", 0_i64..3, 0..6),
            after in proptest::collection::btree_map("[A-F]", 0_i64..3, 0..6),
        ) {
            let make = |prices: &std::collections::BTreeMap<String, i64>| {
                let pairs: Vec<(&str, i64)> = prices.iter().map(|(size, price)| (size.as_str(), *price)).collect();
                sizes(&pairs)
            };
            let before_stored = stored(make(&before));
            let plan = plan(&before_stored, make(&after));
            let kept = before.len() - plan.delete_variants.len();
            prop_assert_eq!(kept + plan.insert_variants.len(), after.len());
            let wanted = before == after;
            prop_assert_eq!(plan.outcomes[0].1 == Outcome::Unchanged, wanted);
        }
    }
}
