//! Many changes of products in one request and one transaction. What one of them does wrong leaves it out.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Utc};
use database::Failure;
use diesel::{Connection, PgConnection, QueryResult};
use kernel::http::{Answer, Call};
use kernel::id::{ProductId, UserId};
use kernel::{Currencies, FieldErrors, Locales, Patch, Problem};
use product_api::ProductError;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::media::{known_images, unknown_images};
use super::{Service, editing, product_types, refuse_duplicates, translations};
use crate::domain::SCHEMA;
use crate::domain::bulk::{
    BulkOperation, BulkProducts, BulkProductsOutcome, CreateOperation, Name, Names, OperationOutcome, UpdateOperation,
    check_count,
};
use crate::domain::draft::CategoryReference;
use crate::domain::handle::Handle;
use crate::domain::image;
use crate::domain::listing::Listing;
use crate::domain::plan::{Change, Outcome, Stored};
use crate::domain::translation::{ProductTranslation, Said};
use crate::queries::product_types::Definitions;
use crate::queries::writing::Stamp;
use crate::queries::{self, categories, products, writing};

type Work<T> = Result<T, Failure<ProductError>>;

/// How often a request is tried that loses a race for a name. The names that it lost are known the next time.
const TRIES: usize = 3;

impl Service {
    /// Carries out operations on products: all that can be, in one transaction.
    pub(crate) async fn bulk_products(
        &self,
        bulk: BulkProducts,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<BulkProductsOutcome>, ProductError> {
        check_count("/operations", bulk.operations.len()).map_err(ProductError::Invalid)?;
        let stamp = self.stamp(actor);
        let shop = ShopSettings {
            currencies: self.currencies.clone(),
            locales: self.locales.clone(),
        };
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| {
            match bulk.operations.iter().any(|raw| translates_handle(raw)) {
                true => categories::lock_tree(connection)?,
                false => categories::hold_tree(connection)?,
            }
            let results = carry_out_all(connection, &bulk.operations, &shop, &stamp)?;
            Ok(BulkProductsOutcome { results })
        };
        let answer = self.db.once(SCHEMA, call, 200, now, work).await?;
        if let Answer::Fresh(outcome) = &answer {
            let changed = outcome.results.iter().filter(|result| result.problem.is_none());
            self.show(changed.filter_map(|result| Some(result.id?.uuid())).collect())
                .await;
        }
        Ok(answer)
    }
}

struct ShopSettings {
    currencies: Currencies,
    locales: Locales,
}

/// What the operations need to know, read by one statement per table.
struct Known<'a> {
    stored: HashMap<Uuid, Stored>,
    categories: HashMap<CategoryReference, Uuid>,
    types: Definitions,
    /// The images that have files.
    images: BTreeSet<String>,
    names: Names,
    /// The products that are deleted.
    gone: HashSet<Uuid>,
    shop: &'a ShopSettings,
}

/// Carries out operations by the same few statements; where the database says no to them again and again, each by itself.
fn carry_out_all(
    connection: &mut PgConnection,
    raw: &[Box<RawValue>],
    shop: &ShopSettings,
    stamp: &Stamp,
) -> Work<Vec<OperationOutcome>> {
    for _ in 0..TRIES {
        let all = |connection: &mut PgConnection| carry_out(connection, raw, &mut HashSet::new(), shop, stamp);
        match connection.transaction(all) {
            Err(Failure::Refused(ProductError::Taken(_))) => (),
            other => return other,
        }
    }
    carry_out_each(connection, raw, shop, stamp)
}

/// Carries out operations one by one, so that what the database says no to fails by itself. What is deleted goes first here
/// too, unless an operation before is about it.
fn carry_out_each(
    connection: &mut PgConnection,
    raw: &[Box<RawValue>],
    shop: &ShopSettings,
    stamp: &Stamp,
) -> Work<Vec<OperationOutcome>> {
    let parsed: Vec<Option<BulkOperation>> = raw.iter().map(|raw| BulkOperation::parse(raw).ok()).collect();
    let id = |operation: &Option<BulkOperation>| Some(operation.as_ref()?.id()?.uuid());
    let ids: Vec<Option<Uuid>> = parsed.iter().map(id).collect();
    // All at once and in key order, so that two such requests do not wait for each other in a circle.
    products::hold(connection, ids.iter().flatten().copied().collect())?;
    let is_deletion = |place: &usize| matches!(parsed[*place], Some(BulkOperation::Delete(_)));
    let is_first = |place: &usize| !ids[..*place].contains(&ids[*place]);
    let (mut order, later): (Vec<usize>, Vec<usize>) =
        (0..raw.len()).partition(|place| is_deletion(place) && is_first(place));
    order.extend(later);
    let mut seen = HashSet::new();
    let mut outcomes = Vec::with_capacity(raw.len());
    for place in order {
        let operation = std::slice::from_ref(&raw[place]);
        let one = |connection: &mut PgConnection| carry_out(connection, operation, &mut seen, shop, stamp);
        let done = match connection.transaction(one) {
            Err(Failure::Refused(error @ ProductError::Taken(_))) => {
                vec![OperationOutcome::refused(
                    ids[place].map(ProductId::from),
                    &error.into(),
                )]
            }
            other => other?,
        };
        outcomes.extend(done.into_iter().map(|outcome| (place, outcome)));
    }
    outcomes.sort_by_key(|(place, _)| *place);
    Ok(outcomes.into_iter().map(|(_, outcome)| outcome).collect())
}

/// Carries out operations on products that none before was about, which are in `seen`.
fn carry_out(
    connection: &mut PgConnection,
    raw: &[Box<RawValue>],
    seen: &mut HashSet<ProductId>,
    shop: &ShopSettings,
    stamp: &Stamp,
) -> Work<Vec<OperationOutcome>> {
    let operations: Vec<Result<BulkOperation, Problem>> = raw.iter().map(|raw| BulkOperation::parse(raw)).collect();
    let mut known = Known::of(connection, operations.iter().flatten(), shop, stamp.now)?;
    let mut outcomes: Vec<Option<OperationOutcome>> = Vec::new();
    let (mut changes, mut said, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
    for (place, operation) in operations.into_iter().enumerate() {
        let (id, outcome) = match operation {
            Err(problem) => (None, Err(problem)),
            Ok(operation) => {
                let id = operation.id();
                let outcome = known.admit(&operation, seen).and_then(|()| match operation {
                    BulkOperation::Create(operation) => known.create(operation, place, stamp).map(Some),
                    BulkOperation::Update(operation) => known.update(operation, place).map(Some),
                    BulkOperation::Delete(operation) => known.delete(operation.id).map(|()| None),
                });
                (id, outcome.map_err(Problem::from))
            }
        };
        outcomes.push(match (outcome, id) {
            (Err(problem), id) => Some(OperationOutcome::refused(id, &problem)),
            (Ok(Some((change, texts))), _) => {
                changes.push(change);
                said.push(texts);
                None
            }
            (Ok(None), Some(id)) => {
                deleted.push(id.uuid());
                Some(OperationOutcome::done(204, id, None))
            }
            (Ok(None), None) => None,
        });
    }
    // What is deleted goes first: its names are then free for others.
    writing::delete_products(connection, &deleted, stamp.now)?;
    editing::publish(connection, &deleted, stamp.now)?;
    let mut plan = editing::write(connection, changes, stamp)?;
    let said: Vec<&Said> = said.iter().collect();
    let raised = translations::follow(connection, &mut plan, &said, stamp.now).map_err(refuse_duplicates)?;
    editing::publish(connection, &raised, stamp.now)?;
    let mut edited: HashSet<Uuid> = plan.update_products.iter().map(|(id, _)| *id).collect();
    edited.extend(raised);
    let mut written = plan.outcomes.iter().map(|(id, outcome)| match outcome {
        Outcome::Created => OperationOutcome::done(201, ProductId::from(*id), Some(1)),
        Outcome::Updated | Outcome::Unchanged => {
            let before = known.stored.get(id).map_or(0, |stored| stored.version);
            let version = before + i64::from(edited.contains(id));
            OperationOutcome::done(200, ProductId::from(*id), Some(version))
        }
    });
    Ok(outcomes
        .into_iter()
        .filter_map(|outcome| outcome.or_else(|| written.next()))
        .collect())
}

impl<'a> Known<'a> {
    fn of<'b>(
        connection: &mut PgConnection,
        operations: impl Iterator<Item = &'b BulkOperation> + Clone,
        shop: &'a ShopSettings,
        now: DateTime<Utc>,
    ) -> QueryResult<Self> {
        let ids = operations.clone().filter_map(|operation| Some(operation.id()?.uuid()));
        let stored = products::lock(connection, ids.collect())?;
        let stored: HashMap<Uuid, Stored> = stored.into_iter().map(|stored| (stored.id, stored)).collect();
        let mut types: HashSet<Uuid> = operations.clone().filter_map(named_type).collect();
        types.extend(
            stored
                .values()
                .filter_map(|stored| stored.listing.merchandising.product_type),
        );
        let wanted = operations.clone().filter_map(named_category).cloned().collect();
        let images = images_of(connection, operations.clone(), &stored, now)?;
        let bundled = queries::bundles::users(connection, stored.keys().copied().collect())?;
        let gone = gone(operations.clone(), &stored, &bundled);
        Ok(Self {
            categories: categories::resolve(connection, wanted)?,
            types: queries::product_types::definitions(connection, types.into_iter().collect())?,
            images,
            names: names(connection, operations, &gone, &shop.locales)?,
            gone,
            stored,
            shop,
        })
    }

    /// Refuses a product that is unknown, at another version, or the matter of an earlier operation.
    fn admit(&self, operation: &BulkOperation, seen: &mut HashSet<ProductId>) -> Result<(), ProductError> {
        let Some(id) = operation.id() else { return Ok(()) };
        let missing = || ProductError::NotFound("product".to_owned());
        let stored = self.stored.get(&id.uuid()).ok_or_else(missing)?;
        if !seen.insert(id) {
            let detail = "an earlier operation is about this product";
            return Err(ProductError::Invalid(FieldErrors::one("/id", "duplicate", detail)));
        }
        match operation.version() {
            Some(version) if version != stored.version => Err(ProductError::VersionMismatch(stored.version)),
            _ => Ok(()),
        }
    }

    /// Refuses to delete what bundles consist of that stay.
    fn delete(&self, id: ProductId) -> Result<(), ProductError> {
        match self.gone.contains(&id.uuid()) {
            true => Ok(()),
            false => Err(ProductError::InUse("a bundle consists of it".to_owned())),
        }
    }

    fn create(
        &mut self,
        operation: CreateOperation,
        place: usize,
        stamp: &Stamp,
    ) -> Result<(Change, Said), ProductError> {
        let new = operation.product;
        let category = self.category(new.category_id.as_ref())?;
        let handle = match &new.handle {
            Some(handle) => handle.clone(),
            None => self.free_handle(&new.title)?,
        };
        let listing = new.into_listing(handle, &self.shop.currencies, stamp.now.date_naive());
        let mut after = listing.map_err(below_product)?;
        after.category = category;
        self.accept(None, after, operation.translations, place)
    }

    fn update(&mut self, operation: UpdateOperation, place: usize) -> Result<(Change, Said), ProductError> {
        let missing = || ProductError::NotFound("product".to_owned());
        let before = self.stored.get(&operation.id.uuid()).cloned().ok_or_else(missing)?;
        let mut patch = operation.product;
        let mut after = before.listing.clone();
        after.category = match std::mem::take(&mut patch.category_id) {
            Patch::Keep => after.category,
            Patch::Clear => None,
            Patch::Set(reference) => self.category(Some(&reference))?,
        };
        patch.apply(&mut after);
        after.check().map_err(below_product)?;
        self.accept(Some(before), after, operation.translations, place)
    }

    fn accept(
        &mut self,
        before: Option<Stored>,
        after: Listing,
        said: Said,
        place: usize,
    ) -> Result<(Change, Said), ProductError> {
        product_types::check(&self.types, &after).map_err(below_product)?;
        translations::check_said(&self.shop.locales, &said).map_err(ProductError::Invalid)?;
        unknown_images(&after, &self.images)
            .into_result()
            .map_err(below_product)?;
        let own = before.as_ref().map(|before| before.id);
        // A handle of one's own is nobody else's in any language, and the other way round.
        let locales = self.shop.locales.others().iter();
        let elsewhere = locales.map(|locale| Name::Translated(locale.clone(), after.handle.to_string()));
        let translated: Vec<Name> = translated_handles(&said).collect();
        let base = translated.iter().filter_map(|name| match name {
            Name::Translated(_, handle) => Some(Name::Handle(handle.clone())),
            _ => None,
        });
        let foreign: Vec<Name> = elsewhere.chain(base).collect();
        self.names.check(&foreign, place, own)?;
        let mut names = names_of(&after);
        names.extend(translated);
        self.names.claim(names, place, own)?;
        Ok((Change { before, after }, said))
    }

    fn category(&self, reference: Option<&CategoryReference>) -> Result<Option<Uuid>, ProductError> {
        let Some(reference) = reference else { return Ok(None) };
        let unknown = || below_product(editing::unknown_category());
        self.categories.get(reference).copied().map(Some).ok_or_else(unknown)
    }

    fn free_handle(&self, title: &str) -> Result<Handle, ProductError> {
        let is_free = |handle: &Handle| !self.names.has(&Name::Handle(handle.to_string()));
        let unique = Uuid::now_v7().simple().to_string();
        let free = Handle::candidates(title, &unique).into_iter().find(is_free);
        free.ok_or_else(|| ProductError::Taken("product (by its handle)".to_owned()))
    }
}

/// Holds the images that operations begin or cease to show, and answers those that have files.
fn images_of<'a>(
    connection: &mut PgConnection,
    operations: impl Iterator<Item = &'a BulkOperation>,
    stored: &HashMap<Uuid, Stored>,
    now: DateTime<Utc>,
) -> QueryResult<BTreeSet<String>> {
    let change = |operation: &BulkOperation| {
        let product = operation.id().and_then(|id| stored.get(&id.uuid()));
        let before = product.map(|product| product.listing.files()).unwrap_or_default();
        let after = match operation {
            BulkOperation::Create(operation) => image::files(&operation.product.images),
            BulkOperation::Update(operation) => match &operation.product.images {
                Patch::Keep => before.clone(),
                Patch::Clear => BTreeSet::new(),
                Patch::Set(images) => image::files(images),
            },
            BulkOperation::Delete(_) => BTreeSet::new(),
        };
        (before, after)
    };
    let changes: Vec<_> = operations.map(change).collect();
    known_images(connection, &changes, now)
}

/// The products that operations delete: not those of which bundles consist, unless earlier operations delete these. `bundled`
/// are the products of components, each with one of a bundle.
fn gone<'a>(
    operations: impl Iterator<Item = &'a BulkOperation>,
    stored: &HashMap<Uuid, Stored>,
    bundled: &[(Uuid, Uuid)],
) -> HashSet<Uuid> {
    let (mut gone, mut seen) = (HashSet::new(), HashSet::new());
    for operation in operations {
        // Of several operations on a product the first one counts.
        let is_first = operation.id().is_none_or(|id| seen.insert(id));
        let BulkOperation::Delete(operation) = operation else {
            continue;
        };
        let Some(stored) = stored.get(&operation.id.uuid()).filter(|_| is_first) else {
            continue;
        };
        let is_current = operation.version.is_none_or(|version| version == stored.version);
        let mut bundles = bundled.iter().filter(|(product, _)| *product == stored.id);
        let stays = |bundle: &Uuid| *bundle != stored.id && !gone.contains(bundle);
        if is_current && !bundles.any(|(_, bundle)| stays(bundle)) {
            gone.insert(stored.id);
        }
    }
    gone
}

/// Who has the names that operations want, but for products that are `gone`.
fn names<'a>(
    connection: &mut PgConnection,
    operations: impl Iterator<Item = &'a BulkOperation>,
    gone: &HashSet<Uuid>,
    locales: &Locales,
) -> QueryResult<Names> {
    let (mut handles, mut external_ids, mut skus) = (Vec::new(), Vec::new(), Vec::new());
    for operation in operations {
        handles.extend(operation.translations().into_iter().flat_map(handles_of));
        match operation {
            BulkOperation::Create(CreateOperation { product, .. }) => {
                match &product.handle {
                    Some(handle) => handles.push(handle.to_string()),
                    None => handles.extend(Handle::candidates(&product.title, "").iter().map(Handle::to_string)),
                }
                external_ids.extend(product.external_id.clone().map(String::from));
                skus.extend(
                    product
                        .variants
                        .iter()
                        .filter_map(|variant| variant.sku.clone().map(String::from)),
                );
            }
            BulkOperation::Update(UpdateOperation { product, .. }) => {
                handles.extend(product.handle.as_ref().map(Handle::to_string));
                if let Patch::Set(id) = &product.external_id {
                    external_ids.push(id.to_string());
                }
            }
            BulkOperation::Delete(_) => (),
        }
    }
    let mut names = Names::default();
    if !locales.others().is_empty() {
        let owners = queries::translations::owners_of_handles::<ProductTranslation>(connection, handles.clone())?;
        for (id, locale, handle) in owners.into_iter().filter(|(id, _, _)| !gone.contains(id)) {
            names.note(Name::Translated(locale, handle), id);
        }
    }
    for (id, external_id, handle) in products::identify(connection, external_ids, handles)? {
        if !gone.contains(&id) {
            names.note(Name::Handle(handle), id);
            external_id
                .into_iter()
                .for_each(|text| names.note(Name::ExternalId(text), id));
        }
    }
    for (sku, id) in products::owners_of_skus(connection, skus)? {
        if !gone.contains(&id) {
            names.note(Name::Sku(sku), id);
        }
    }
    Ok(names)
}

fn translated_handles(said: &Said) -> impl Iterator<Item = Name> {
    said.iter().filter_map(|(locale, texts)| {
        let handle = texts.as_ref()?.handle.as_ref()?;
        Some(Name::Translated(locale.clone(), handle.to_string()))
    })
}

fn handles_of(said: &Said) -> impl Iterator<Item = String> {
    said.values()
        .filter_map(|texts| Some(texts.as_ref()?.handle.as_ref()?.to_string()))
}

/// Whether an operation gives a product a handle in another language. What cannot be read does nothing.
fn translates_handle(raw: &RawValue) -> bool {
    // Most operations say nothing of the kind, and are not read twice.
    raw.get().contains("translations")
        && BulkOperation::parse(raw)
            .is_ok_and(|operation| operation.translations().is_some_and(translations::has_handles))
}

fn names_of(listing: &Listing) -> Vec<Name> {
    let skus = listing.variants.iter().filter_map(|variant| variant.sku.clone());
    let mut names: Vec<Name> = skus.map(Name::Sku).collect();
    names.push(Name::Handle(listing.handle.to_string()));
    names.extend(listing.external_id.clone().map(Name::ExternalId));
    names
}

fn named_type(operation: &BulkOperation) -> Option<Uuid> {
    match operation {
        BulkOperation::Create(operation) => operation.product.product_type_id.map(Into::into),
        BulkOperation::Update(operation) => match operation.product.product_type_id {
            Patch::Set(id) => Some(id.uuid()),
            _ => None,
        },
        BulkOperation::Delete(_) => None,
    }
}

fn named_category(operation: &BulkOperation) -> Option<&CategoryReference> {
    match operation {
        BulkOperation::Create(operation) => operation.product.category_id.as_ref(),
        BulkOperation::Update(operation) => match &operation.product.category_id {
            Patch::Set(reference) => Some(reference),
            _ => None,
        },
        BulkOperation::Delete(_) => None,
    }
}

/// Errors of a product are told below the member of the operation that holds it.
fn below_product(errors: FieldErrors) -> ProductError {
    let mut told = FieldErrors::new();
    for error in errors.as_slice() {
        told.add(format!("/product{}", error.pointer), &error.code, &error.detail);
    }
    ProductError::Invalid(told)
}
