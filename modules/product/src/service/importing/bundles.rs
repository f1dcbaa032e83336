//! What bundles of a file consist of. Looked at when the products of the batch are written, so that a bundle may consist of
//! what stands beside it.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::{PgConnection, QueryResult};
use kernel::FieldErrors;
use uuid::Uuid;

use super::End;
use super::names::Names;
use crate::domain::bundle::{NewComponent, VariantName};
use crate::domain::plan::{Composition, Plan};
use crate::import::{ImportedProduct, WrongRow};
use crate::queries::bundles::{self, Role};
use crate::queries::stock;

/// Makes ordinary variants of bundles that are to consist of nothing, before they get stock.
pub(super) fn dissolve(connection: &mut PgConnection, plan: &Plan) -> QueryResult<()> {
    let emptied = plan.compositions.iter().filter(|one| one.components.is_empty());
    let emptied: Vec<_> = emptied.map(|one| (one.variant, Vec::new())).collect();
    bundles::replace(connection, &emptied)
}

/// What rows of a file have written that was undone since: those before the present ones, in a dry run.
#[derive(Clone, Copy)]
pub(super) struct Undone<'a> {
    pub(super) names: &'a Names,
    pub(super) present: &'a [&'a ImportedProduct],
}

/// Makes bundles of the variants that are to be some; `lines` are those of their products.
pub(super) fn compose(
    connection: &mut PgConnection,
    plan: &Plan,
    lines: &HashMap<Uuid, u64>,
    undone: Option<Undone<'_>>,
) -> Result<(), End> {
    let wanted: Vec<&Composition> = plan
        .compositions
        .iter()
        .filter(|one| !one.components.is_empty())
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = wanted.iter().map(|one| one.variant).collect();
    bundles::hold(connection, ids.clone())?;
    // What they consist of until now is nothing to go by.
    bundles::remove(connection, &ids)?;
    let facts = Facts::of(connection, &wanted, undone)?;
    let mut contents = Vec::with_capacity(wanted.len());
    let mut wrong: BTreeMap<u64, FieldErrors> = BTreeMap::new();
    for composition in wanted {
        match facts.parts(composition) {
            Ok(parts) => contents.extend(parts.map(|parts| (composition.variant, parts))),
            Err(errors) => {
                let line = lines.get(&composition.product).copied().unwrap_or_default();
                let of_row = wrong.entry(line).or_default();
                for error in errors.as_slice() {
                    of_row.add(&error.pointer, &error.code, &error.detail);
                }
            }
        }
    }
    match wrong.is_empty() {
        true => Ok(bundles::replace(connection, &contents)?),
        false => {
            let rows = wrong.iter().map(|(line, errors)| WrongRow::of(*line, errors));
            Err(End::Wrong(rows.collect()))
        }
    }
}

impl Undone<'_> {
    /// Whether a variant that is known by this would be there, as far as it can be told.
    fn has(&self, name: &VariantName) -> bool {
        let written = self.names.written_by(name);
        written.is_some_and(|line| self.present.iter().all(|product| product.line != line))
    }
}

/// What there is to know of bundles and their components.
struct Facts<'a> {
    by_name: HashMap<VariantName, Uuid>,
    roles: HashMap<Uuid, Role>,
    /// Which are to be bundles.
    bundles: HashSet<Uuid>,
    /// Which have stock or promises of their own.
    stocked: HashSet<Uuid>,
    /// Of which orders may give some back.
    sold: HashSet<Uuid>,
    undone: Option<Undone<'a>>,
}

impl<'a> Facts<'a> {
    fn of(connection: &mut PgConnection, wanted: &[&Composition], undone: Option<Undone<'a>>) -> QueryResult<Self> {
        let ids: HashSet<Uuid> = wanted.iter().map(|one| one.variant).collect();
        let components = wanted.iter().flat_map(|one| &one.components);
        let names: HashSet<&VariantName> = components.map(|component| &component.variant).collect();
        let by_name = bundles::by_name(connection, &names)?;
        let all: HashSet<Uuid> = ids.iter().chain(by_name.values()).copied().collect();
        let roles = bundles::roles(connection, all.into_iter().collect())?;
        let roles: HashMap<Uuid, Role> = roles.into_iter().map(|role| (role.variant, role)).collect();
        // A bundle has none of its own already.
        let new: Vec<Uuid> = roles
            .values()
            .filter(|role| !role.is_bundle && ids.contains(&role.variant))
            .map(|role| role.variant)
            .collect();
        let held = stock::hold(connection, new.clone())?;
        let stocked = held.iter().filter(|row| row.on_hand != 0 || row.reserved != 0);
        Ok(Self {
            by_name,
            stocked: stocked.map(|row| row.variant).collect(),
            sold: bundles::sold(connection, new)?.into_iter().collect(),
            roles,
            bundles: ids,
            undone,
        })
    }

    /// The components of a bundle; none where they cannot be known because all was undone that made them.
    fn parts(&self, composition: &Composition) -> Result<Option<Vec<NewComponent>>, FieldErrors> {
        let pointer = format!("/variants/{}/components", composition.position);
        self.check_bundle(composition.variant)
            .map_err(|(code, detail)| FieldErrors::one(&pointer, code, detail))?;
        let mut errors = FieldErrors::new();
        let (mut parts, mut is_whole) = (Vec::new(), true);
        let mut seen = HashSet::new();
        for (index, component) in composition.components.iter().enumerate() {
            let pointer = format!("{pointer}/{index}/{}", component.variant.field());
            match self.find(&component.variant) {
                Some(id) if self.bundles.contains(&id) || self.roles.get(&id).is_some_and(|role| role.is_bundle) => {
                    errors.add(pointer, "is_bundle", "a bundle cannot be a part of another one");
                }
                Some(id) if !seen.insert(id) => {
                    errors.add(pointer, "duplicate", "another component is the same variant");
                }
                Some(id) => parts.push(NewComponent {
                    variant_id: id.into(),
                    quantity: component.quantity,
                }),
                None if self.undone.is_some_and(|undone| undone.has(&component.variant)) => is_whole = false,
                None => {
                    let detail = format!("there is no variant with {}", component.variant);
                    errors.add(pointer, "not_found", detail);
                }
            }
        }
        errors.into_result().map(|()| is_whole.then_some(parts))
    }

    /// Whether a variant can be a bundle; else why not.
    fn check_bundle(&self, variant: Uuid) -> Result<(), (&'static str, &'static str)> {
        let Some(role) = self.roles.get(&variant).filter(|role| !role.is_bundle) else {
            return Ok(());
        };
        if role.is_component {
            return Err(("in_use", "a bundle consists of it"));
        }
        if role.has_terms {
            return Err(("has_stock", "the variant is sold beyond its stock"));
        }
        if self.stocked.contains(&variant) {
            return Err(("has_stock", "the variant is in stock, or promised"));
        }
        match self.sold.contains(&variant) {
            true => Err(("has_stock", "the variant has been sold")),
            false => Ok(()),
        }
    }

    /// The variant that is known by this, unless a row has taken that away.
    fn find(&self, name: &VariantName) -> Option<Uuid> {
        let is_gone = self.undone.is_some_and(|undone| undone.names.has_taken_away(name));
        self.by_name.get(name).copied().filter(|_| !is_gone)
    }
}
