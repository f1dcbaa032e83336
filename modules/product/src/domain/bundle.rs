//! Bundles: variants that are sold as one line and consist of others, whose stock they take.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::Hash;

use kernel::FieldErrors;
use kernel::id::VariantId;
use product_api::Shortage;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::allocation::Demands;

/// The most components of a bundle.
const MAX_COMPONENTS: usize = 20;

/// The most of one component in a bundle.
const MAX_QUANTITY: i64 = 1000;

/// What a bundle is to consist of.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewComponents {
    /// All of them, in the order in which they are shown; at most 20. With none the variant is no bundle any more.
    pub(crate) components: Vec<NewComponent>,
}

/// A component that a bundle is to have.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewComponent {
    /// A variant that is neither a bundle nor deleted.
    pub(crate) variant_id: VariantId,
    /// How many are in one bundle, from 1 to 1,000.
    pub(crate) quantity: i64,
}

/// A component as product files name it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NamedComponent {
    pub(crate) variant: VariantName,
    /// How many are in one bundle, from 1 to 1,000.
    pub(crate) quantity: i64,
}

/// What product files know a component by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum VariantName {
    Sku(String),
    /// Of a variant without a SKU: the handle of its product, and its option values.
    Options(String, BTreeMap<String, String>),
}

/// A component as it is shown with its bundle. What it is called while its product is not on sale is told to staff alone;
/// else its names are `null`, and the bundle is not to be had.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Component {
    pub(crate) variant_id: VariantId,
    /// Where the component's own product is found, if it is on sale.
    pub(crate) product_handle: Option<String>,
    /// The title of that product.
    pub(crate) title: Option<String>,
    /// The component's own title, e.g. `S / Black`.
    pub(crate) variant_title: Option<String>,
    /// How many are in one bundle.
    pub(crate) quantity: i64,
}

impl NewComponents {
    /// Checks what the bundle `own` is to consist of.
    pub(crate) fn check(&self, own: VariantId) -> Result<(), FieldErrors> {
        let components = self.components.iter().map(|part| (part.variant_id, part.quantity));
        let mut errors = FieldErrors::new();
        check(components, Some(own), &mut errors, "/components", |_| "variant_id");
        errors.into_result()
    }
}

impl VariantName {
    /// The field of a component that says so.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Sku(_) => "sku",
            Self::Options(..) => "handle",
        }
    }
}

impl fmt::Display for VariantName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sku(sku) => write!(formatter, "the SKU `{sku}`"),
            Self::Options(handle, options) => {
                write!(formatter, "the handle `{handle}`")?;
                let mut options = options.iter();
                options.try_for_each(|(name, value)| write!(formatter, ", {name} `{value}`"))
            }
        }
    }
}

/// Checks what the bundle that is called `own` is to consist of by a file; errors are told below `pointer`.
pub(crate) fn check_named(
    components: &[NamedComponent],
    own: Option<&VariantName>,
    errors: &mut FieldErrors,
    pointer: &str,
) {
    let components = components.iter().map(|part| (&part.variant, part.quantity));
    check(components, own, errors, pointer, |name| name.field());
}

/// Checks components, each with what it is known by, which is in the field `name`, and how many there are of it.
fn check<T: Eq + Hash>(
    components: impl ExactSizeIterator<Item = (T, i64)>,
    own: Option<T>,
    errors: &mut FieldErrors,
    pointer: &str,
    name: impl Fn(&T) -> &'static str,
) {
    if components.len() > MAX_COMPONENTS {
        errors.add(pointer, "too_many", format!("at most {MAX_COMPONENTS}"));
        return;
    }
    let mut seen = HashSet::new();
    for (index, (component, quantity)) in components.enumerate() {
        if !(1..=MAX_QUANTITY).contains(&quantity) {
            let pointer = format!("{pointer}/{index}/quantity");
            errors.add(pointer, "out_of_range", format!("must be from 1 to {MAX_QUANTITY}"));
        }
        let pointer = format!("{pointer}/{index}/{}", name(&component));
        if own.as_ref() == Some(&component) {
            errors.add(pointer, "self_reference", "a bundle cannot be a part of itself");
        } else if !seen.insert(component) {
            errors.add(pointer, "duplicate", "another component is the same variant");
        }
    }
}

/// What bundles consist of: components and how many of each are in one. What is not in here is no bundle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents(BTreeMap<Uuid, BTreeMap<Uuid, i64>>);

impl Contents {
    /// Notes that `quantity` of a component are in one of a bundle.
    pub(crate) fn insert(&mut self, bundle: Uuid, component: Uuid, quantity: i64) {
        self.0.entry(bundle).or_default().insert(component, quantity);
    }

    /// What demands take from the stock: each variant once, whether it is wanted by itself, in bundles or both.
    pub(crate) fn expand(&self, demands: &Demands) -> Demands {
        let mut sums = Demands::new();
        for (variant, quantity) in demands {
            for (part, each) in self.parts(*variant) {
                *sums.entry(part).or_default() += quantity * each;
            }
        }
        sums
    }

    /// What there is too little of, in terms of what was ordered: with as many as are told available of these, and all of
    /// the others, the order could be served. `stock` says how many of a variant there are.
    pub(crate) fn shortages(&self, demands: &Demands, stock: impl Fn(Uuid) -> i64) -> Vec<Shortage> {
        let mut left: Demands = self
            .expand(demands)
            .into_keys()
            .map(|variant| (variant, stock(variant).max(0)))
            .collect();
        let mut short = Vec::new();
        for (variant, requested) in demands {
            let possible = self
                .parts(*variant)
                .map(|(part, each)| left.get(&part).map_or(0, |left| left / each));
            let served = possible.min().unwrap_or(0).min(*requested);
            for (part, each) in self.parts(*variant) {
                if let Some(left) = left.get_mut(&part) {
                    *left -= served * each;
                }
            }
            if served < *requested {
                short.push(Shortage {
                    variant_id: (*variant).into(),
                    requested: *requested,
                    available: served,
                });
            }
        }
        short
    }

    /// What one of a variant takes: its components, or itself.
    fn parts(&self, variant: Uuid) -> impl Iterator<Item = (Uuid, i64)> + '_ {
        let components = self.0.get(&variant);
        let own = components.is_none().then_some((variant, 1));
        let components = components.into_iter().flatten();
        components.map(|(part, each)| (*part, *each)).chain(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id(number: usize) -> Uuid {
        Uuid::from_u128(number as u128 + 1)
    }

    /// Variants 0 to 4 are there by themselves, bundles have numbers from 10 on.
    fn contents(bundles: &[Vec<(usize, i64)>]) -> Contents {
        let mut contents = Contents::default();
        for (number, components) in bundles.iter().enumerate() {
            for (component, quantity) in components {
                contents.insert(id(10 + number), id(*component), *quantity);
            }
        }
        contents
    }

    fn demands(quantities: &[(usize, i64)]) -> Demands {
        quantities
            .iter()
            .map(|(variant, quantity)| (id(*variant), *quantity))
            .collect()
    }

    #[test]
    fn a_bundle_and_its_component_by_itself_draw_on_the_same_stock() {
        let gift = contents(&[vec![(0, 2), (1, 1)]]);
        let wanted = demands(&[(10, 3), (0, 4)]);
        assert_eq!(gift.expand(&wanted), demands(&[(0, 10), (1, 3)]));
        assert_eq!(gift.shortages(&wanted, |_| 10), []);
        let short = gift.shortages(&wanted, |variant| if variant == id(0) { 9 } else { 99 });
        let expected = Shortage {
            variant_id: id(10).into(),
            requested: 3,
            available: 2,
        };
        assert_eq!(short, [expected], "told of what was ordered, not of its component");
    }

    #[test]
    fn a_variant_alone_is_short_of_what_is_missing_and_is_told_all_there_is() {
        let short = Contents::default().shortages(&demands(&[(0, 3), (1, 2)]), |_| 2);
        let expected = Shortage {
            variant_id: id(0).into(),
            requested: 3,
            available: 2,
        };
        assert_eq!(short, [expected]);
    }

    #[test]
    fn what_cannot_be_a_bundle_is_refused() {
        let [own, other] = [0, 1].map(|number| VariantId::from(id(number)));
        let check = |components: &[(VariantId, i64)]| {
            let component = |(variant_id, quantity): &(VariantId, i64)| NewComponent {
                variant_id: *variant_id,
                quantity: *quantity,
            };
            let components = components.iter().map(component).collect();
            NewComponents { components }.check(own).is_ok()
        };
        assert!(check(&[]) && check(&[(other, 1)]) && check(&[(other, MAX_QUANTITY)]));
        assert!(!check(&[(other, 0)]) && !check(&[(other, -1)]) && !check(&[(other, MAX_QUANTITY + 1)]));
        assert!(!check(&[(own, 1)]) && !check(&[(other, 1), (other, 2)]));
        let many: Vec<(VariantId, i64)> = (2..23).map(|number| (VariantId::from(id(number)), 1)).collect();
        assert!(check(&many[..20]) && !check(&many));
    }

    fn bundles() -> impl Strategy<Value = Vec<Vec<(usize, i64)>>> {
        let components = proptest::collection::btree_map(0_usize..5, 1_i64..4, 1..4);
        proptest::collection::vec(components.prop_map(|components| components.into_iter().collect()), 0..3)
    }

    fn orders() -> impl Strategy<Value = Demands> {
        let variant = prop_oneof![0_usize..5, 10_usize..13];
        let order = proptest::collection::btree_map(variant, 1_i64..9, 1..6);
        order.prop_map(|order| {
            order
                .into_iter()
                .map(|(number, quantity)| (id(number), quantity))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_taken_of_a_variant_is_what_every_line_needs_of_it(bundles in bundles(), order in orders()) {
            let taken = contents(&bundles).expand(&order);
            for number in (0_usize..5).chain(10..13) {
                let by_itself = match bundles.get(number.wrapping_sub(10)) {
                    Some(_) => 0,
                    None => order.get(&id(number)).copied().unwrap_or(0),
                };
                let inside: i64 = bundles.iter().enumerate().map(|(bundle, components)| {
                    let each: i64 = components.iter().filter(|(part, _)| *part == number).map(|(_, each)| each).sum();
                    each * order.get(&id(10 + bundle)).copied().unwrap_or(0)
                }).sum();
                prop_assert_eq!(taken.get(&id(number)).copied().unwrap_or(0), by_itself + inside);
            }
        }

        #[test]
        fn an_order_is_short_exactly_when_a_variant_is_and_can_be_served_once_it_is_cut_down(
            bundles in bundles(), order in orders(), stock in proptest::collection::vec(0_i64..12, 16)
        ) {
            let contents = contents(&bundles);
            let stock = |variant: Uuid| stock[usize::try_from(variant.as_u128() - 1).unwrap()];
            let is_enough = |order: &Demands| {
                contents.expand(order).iter().all(|(variant, quantity)| stock(*variant) >= *quantity)
            };
            let short = contents.shortages(&order, stock);
            prop_assert_eq!(short.is_empty(), is_enough(&order));
            let mut cut = order.clone();
            for line in &short {
                prop_assert_eq!(order.get(&line.variant_id.uuid()), Some(&line.requested));
                prop_assert!((0..line.requested).contains(&line.available));
                cut.insert(line.variant_id.uuid(), line.available);
            }
            prop_assert!(is_enough(&cut));
            for line in &short {
                let mut more = cut.clone();
                more.insert(line.variant_id.uuid(), line.available + 1);
                prop_assert!(!is_enough(&more), "no more could be told");
            }
        }
    }
}
