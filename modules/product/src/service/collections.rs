//! Collections, for visitors and staff, and the job that follows the calendar.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use actix_web::web;
use chrono::{DateTime, Utc};
use database::{Failure, OrRefuse, outbox, refuse};
use diesel::PgConnection;
use kernel::event::Event;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::{CollectionId, ProductId};
use kernel::job::{Job, Round, Wake};
use kernel::page::Page;
use kernel::{Currency, FieldErrors, Locale};
use product_api::{CollectionChanged, ProductError};
use uuid::Uuid;

use super::languages::tell as tell_products;
use super::{Service, allow, refuse_duplicates};
use crate::domain::SCHEMA;
use crate::domain::collection::{
    AdminCollection, ChosenProducts, Collection, CollectionDetail, CollectionPatch, CollectionPreview,
    CollectionReference, MAX_CHOSEN, MAX_RULES, NewCollection, PublicCollection,
};
use crate::domain::handle::Handle;
use crate::domain::product::{Product, View};
use crate::domain::rule::Rule;
use crate::domain::translation::{CollectionTranslation, Language, alternates};
use crate::queries::{arranged, collections, membership, translations};
use crate::search::Changes;

type Work<T> = Result<T, Failure<ProductError>>;

/// How long after midnight (UTC) a collection may be that of the day before.
const EVERY: Duration = Duration::from_secs(30);
/// How many collections are filled in one transaction, while no product can be written.
const BATCH: i64 = 10;

/// The job that fills collections anew whose rule is about dates. Replicas share the work: whoever comes second finds the
/// day noted.
pub(crate) fn job(service: &web::Data<Service>) -> Job {
    let service = service.clone();
    Job::new("collections", EVERY, Wake::default(), move || {
        let service = service.clone();
        async move {
            match service.refresh_outdated().await {
                Ok(round) => Ok(round),
                Err(ProductError::Fault(fault)) => Err(fault),
                Err(other) => Err(kernel::Fault::internal(other.to_string())),
            }
        }
    })
}

impl Service {
    /// A page of published collections.
    pub(crate) async fn list_public_collections(
        &self,
        limit: i64,
        cursor: Option<String>,
        language: &Language,
    ) -> Result<Page<Collection>, ProductError> {
        let page = self.collection_page("collections", true, limit, cursor).await?;
        let mut page = page.map(|row| row.collection);
        if language.is_base() {
            return Ok(page);
        }
        let fallbacks = language.fallbacks.clone();
        self.db
            .run(move |connection| {
                tell(connection, &mut page.data, &fallbacks)?;
                Ok::<_, Failure<ProductError>>(page)
            })
            .await
    }

    /// A page of all collections, for staff.
    pub(crate) async fn list_collections(
        &self,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<AdminCollection>, ProductError> {
        self.collection_page("admin/collections", false, limit, cursor).await
    }

    /// A published collection.
    pub(crate) async fn find_public_collection(
        &self,
        reference: CollectionReference,
        language: Language,
    ) -> Result<PublicCollection, ProductError> {
        let locales = self.locales.clone();
        let work = move |connection: &mut PgConnection| {
            let AdminCollection {
                mut collection,
                handles,
                ..
            } = published(connection, &reference, &language)?;
            let alternates = alternates(&locales, &collection.handle, &handles);
            tell(connection, std::slice::from_mut(&mut collection), &language.fallbacks)?;
            Ok::<_, Failure<ProductError>>(PublicCollection { collection, alternates })
        };
        self.db.run(work).await
    }

    /// A page of the active products of a published collection, in the collection's order.
    pub(crate) async fn list_collection_products(
        &self,
        reference: CollectionReference,
        limit: i64,
        cursor: Option<String>,
        currency: Option<Currency>,
        language: Language,
    ) -> Result<Page<Product>, ProductError> {
        let service = self.clone();
        let view = View::public(self.clock.now().date_naive(), self.shown_in(currency)?);
        let work = move |connection: &mut PgConnection| {
            let id = published(connection, &reference, &language)?.collection.id;
            let list = format!("collection/{id}");
            let after = match cursor {
                None => (i32::MIN, Uuid::nil()),
                Some(cursor) => {
                    let opened = service.cursors.open(&list, &cursor);
                    opened
                        .map_err(|error| ProductError::InvalidQuery(error.into()))
                        .or_refuse()?
                }
            };
            let places = collections::active_products(connection, id.uuid(), after, limit + 1)?;
            let page = Page::from_surplus(places, limit, |last| service.cursors.seal(&list, last));
            let ids = page.data.iter().map(|(_, id)| *id).collect();
            let mut data = arranged::active_in_order(connection, ids, view)?;
            tell_products(connection, data.iter_mut(), &language.fallbacks)?;
            Ok::<_, Failure<ProductError>>(Page { data, page: page.page })
        };
        self.db.run(work).await
    }

    /// Any collection, with the products that were chosen by hand.
    pub(crate) async fn find_collection(&self, id: CollectionId) -> Result<CollectionDetail, ProductError> {
        self.db.run(move |connection| detail(connection, id)).await
    }

    /// Adds a collection, and fills it where it has a rule.
    pub(crate) async fn create_collection(
        &self,
        new: NewCollection,
        call: Option<Call>,
    ) -> Result<Answer<CollectionDetail>, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            collections::lock(connection)?;
            let handle = match &new.handle {
                Some(handle) => handle.clone(),
                None => free_handle(connection, new.title.as_str())?,
            };
            let collection = new
                .into_collection(handle, now)
                .map_err(ProductError::Invalid)
                .or_refuse()?;
            if collection.rule.is_some() && collections::count_rules(connection)? >= MAX_RULES {
                let detail = format!("at most {MAX_RULES} collections are filled by rules");
                return refuse(ProductError::Invalid(FieldErrors::one("/rule", "too_many", detail)));
            }
            let id = collection.collection.id;
            collections::insert(connection, &collection, now.date_naive()).map_err(refuse_duplicates)?;
            if collection.rule.is_some() {
                membership::refill(connection, vec![id.uuid()], now.date_naive())?;
            }
            publish(connection, &[id.uuid()], now)?;
            detail(connection, id)
        };
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        if let Answer::Fresh(made) = &answer {
            self.show_collection(made.collection.collection.id).await;
        }
        Ok(answer)
    }

    /// Changes a collection, and fills it anew where its rule has changed.
    pub(crate) async fn update_collection(
        &self,
        id: CollectionId,
        patch: CollectionPatch,
        condition: IfMatch,
    ) -> Result<CollectionDetail, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            collections::lock(connection)?;
            let before = find(connection, id, &condition)?;
            let rule = before.rule.clone();
            let after = patch.apply(before, now).map_err(ProductError::Invalid).or_refuse()?;
            collections::update(connection, &after, now.date_naive()).map_err(refuse_duplicates)?;
            // Noted as filled for today just now, which holds only once it is.
            if after.rule != rule || after.refreshed_on(now.date_naive()).is_some() {
                membership::refill(connection, vec![id.uuid()], now.date_naive())?;
            }
            publish(connection, &[id.uuid()], now)?;
            detail(connection, id)
        };
        let changed = self.db.transaction(work).await?;
        self.show_collection(id).await;
        Ok(changed)
    }

    /// Removes a collection. Its products stay.
    pub(crate) async fn delete_collection(&self, id: CollectionId, condition: IfMatch) -> Result<(), ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            collections::lock(connection)?;
            find(connection, id, &condition)?;
            collections::delete(connection, id.uuid())?;
            publish(connection, &[id.uuid()], now)
        };
        self.db.transaction(work).await?;
        self.show_collection(id).await;
        Ok(())
    }

    /// Chooses the products of a collection, in their order.
    pub(crate) async fn choose_products(
        &self,
        id: CollectionId,
        chosen: ChosenProducts,
        condition: IfMatch,
    ) -> Result<CollectionDetail, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            check_chosen(&chosen.product_ids)
                .map_err(ProductError::Invalid)
                .or_refuse()?;
            collections::lock(connection)?;
            let before = find(connection, id, &condition)?;
            if before.rule.is_some() {
                let detail = "the rule of this collection decides which products belong to it";
                return refuse(ProductError::Invalid(FieldErrors::one(
                    "/product_ids",
                    "not_allowed",
                    detail,
                )));
            }
            let ids: Vec<Uuid> = chosen.product_ids.iter().map(|id| id.uuid()).collect();
            if membership::choose(connection, id.uuid(), ids.clone())? != ids.len() {
                let known: HashSet<Uuid> = membership::products(connection, id.uuid())?.into_iter().collect();
                return refuse(ProductError::Invalid(unknown(&ids, &known)));
            }
            let mut after = before;
            after.version += 1;
            after.collection.updated_at = now;
            collections::update(connection, &after, now.date_naive())?;
            publish(connection, &[id.uuid()], now)?;
            detail(connection, id)
        };
        let changed = self.db.transaction(work).await?;
        self.show_collection(id).await;
        Ok(changed)
    }

    /// How many products a rule would fill a collection with.
    pub(crate) async fn preview_rule(&self, id: CollectionId, rule: Rule) -> Result<CollectionPreview, ProductError> {
        let today = self.clock.now().date_naive();
        let work = move |connection: &mut PgConnection| {
            rule.check().map_err(ProductError::Invalid).or_refuse()?;
            find(connection, id, &IfMatch::default())?;
            let matching = membership::count(connection, &rule, today)?;
            Ok(CollectionPreview { matching })
        };
        self.db.run(work).await
    }

    async fn refresh_outdated(&self) -> Result<Round, ProductError> {
        let now = self.clock.now();
        let today = now.date_naive();
        // Nothing is locked where nothing is outdated, which is nearly always.
        let outdated = move |connection: &mut PgConnection| {
            Ok::<_, Failure<ProductError>>(collections::outdated(connection, today, 1)?)
        };
        if self.db.run(outdated).await?.is_empty() {
            return Ok(Round::Idle);
        }
        let work = move |connection: &mut PgConnection| {
            collections::lock(connection)?;
            let outdated = collections::outdated(connection, today, BATCH)?;
            let changed = membership::refill(connection, outdated.clone(), today)?;
            collections::note_refreshed(connection, outdated, today)?;
            publish(connection, &changed, now)?;
            Ok(changed)
        };
        let changed = self.db.transaction(work).await?;
        self.outdate();
        self.search.settle(Changes::of_collections(changed)).await;
        Ok(Round::More)
    }

    async fn collection_page(
        &self,
        list: &str,
        only_published: bool,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<AdminCollection>, ProductError> {
        let after: Uuid = self.opened(list, cursor)?.unwrap_or_default();
        let work = move |connection: &mut PgConnection| {
            let rows = collections::page(connection, only_published, after, limit + 1)?;
            Ok::<_, Failure<ProductError>>(rows)
        };
        let rows = self.db.run(work).await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(list, &last.collection.id.uuid())
        }))
    }
}

/// Tells the world that collections have changed.
pub(super) fn publish(connection: &mut PgConnection, collections: &[Uuid], now: DateTime<Utc>) -> Work<()> {
    let event = |id: &Uuid| {
        let collection = CollectionId::from(*id);
        Event::of(&CollectionChanged { collection }, now)
    };
    let events: Vec<Event> = collections
        .iter()
        .map(event)
        .collect::<Result<_, _>>()
        .map_err(ProductError::Fault)
        .or_refuse()?;
    Ok(outbox::append_all(connection, SCHEMA, &events)?)
}

/// A published collection by its id, or its handle in whatever language, as it is in the shop's own.
fn published(
    connection: &mut PgConnection,
    reference: &CollectionReference,
    language: &Language,
) -> Work<AdminCollection> {
    let mut found = collections::find(connection, reference)?;
    if let (None, CollectionReference::Handle(handle)) = (&found, reference) {
        let near = &language.fallbacks;
        if let Some(id) = translations::shown_owner_of_handle::<CollectionTranslation>(connection, handle, near)? {
            found = collections::find(connection, &CollectionReference::Id(id))?;
        }
    }
    found
        .filter(|collection| collection.published)
        .ok_or_else(missing)
        .or_refuse()
}

pub(super) fn find(connection: &mut PgConnection, id: CollectionId, condition: &IfMatch) -> Work<AdminCollection> {
    let found = collections::find(connection, &CollectionReference::Id(id.uuid()))?;
    let found = found.ok_or_else(missing).or_refuse()?;
    allow(condition, found.version)?;
    Ok(found)
}

fn detail(connection: &mut PgConnection, id: CollectionId) -> Work<CollectionDetail> {
    let collection = find(connection, id, &IfMatch::default())?;
    let product_ids = match collection.rule {
        Some(_) => None,
        None => Some(membership::products(connection, id.uuid())?),
    };
    Ok(CollectionDetail {
        collection,
        product_ids: product_ids.map(|ids| ids.into_iter().map(ProductId::from).collect()),
    })
}

/// Tells collections in the nearest of `fallbacks`.
fn tell(connection: &mut PgConnection, collections: &mut [Collection], fallbacks: &[Locale]) -> Work<()> {
    let ids = collections.iter().map(|collection| collection.id.uuid()).collect();
    let texts: HashMap<Uuid, CollectionTranslation> = translations::nearest(connection, ids, fallbacks)?;
    for collection in collections {
        if let Some(said) = texts.get(&collection.id.uuid()) {
            said.apply(collection);
        }
    }
    Ok(())
}

fn check_chosen(ids: &[ProductId]) -> Result<(), FieldErrors> {
    if ids.len() > MAX_CHOSEN {
        let detail = format!("at most {MAX_CHOSEN}");
        return Err(FieldErrors::one("/product_ids", "too_many", detail));
    }
    let mut errors = FieldErrors::new();
    let mut seen = HashSet::new();
    for (index, id) in ids.iter().enumerate() {
        if !seen.insert(id) {
            errors.add(format!("/product_ids/{index}"), "duplicate", "is there already");
        }
    }
    errors.into_result()
}

fn unknown(ids: &[Uuid], known: &HashSet<Uuid>) -> FieldErrors {
    let mut errors = FieldErrors::new();
    for (index, _) in ids.iter().enumerate().filter(|(_, id)| !known.contains(*id)) {
        errors.add(format!("/product_ids/{index}"), "not_found", "there is no such product");
    }
    errors
}

fn free_handle(connection: &mut PgConnection, title: &str) -> Work<Handle> {
    let candidates = Handle::candidates(title, &Uuid::now_v7().simple().to_string());
    let taken = collections::taken_handles(connection, &candidates)?;
    let free = candidates
        .into_iter()
        .find(|candidate| !taken.iter().any(|taken| taken == candidate.as_str()));
    free.ok_or_else(|| ProductError::Taken("collection (by its handle)".to_owned()))
        .or_refuse()
}

fn missing() -> ProductError {
    ProductError::NotFound("collection".to_owned())
}
