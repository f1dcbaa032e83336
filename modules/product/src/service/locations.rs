//! What staff do to locations.

use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::FieldErrors;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::LocationId;
use product_api::ProductError;

use super::{Service, allow, refuse_duplicates};
use crate::domain::SCHEMA;
use crate::domain::handle::Handle;
use crate::domain::location::{Location, LocationPatch, MAX_LOCATIONS, NewLocation};
use crate::queries::{locations, stock};

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// All locations.
    pub(crate) async fn list_locations(&self) -> Result<Vec<Location>, ProductError> {
        self.db.run(|connection| Ok(locations::all(connection)?)).await
    }

    /// A location.
    pub(crate) async fn find_location(&self, id: LocationId) -> Result<Location, ProductError> {
        let work = move |connection: &mut PgConnection| {
            locations::find(connection, id.uuid())?.ok_or_else(missing).or_refuse()
        };
        self.db.run(work).await
    }

    /// Adds a location.
    pub(crate) async fn create_location(
        &self,
        new: NewLocation,
        call: Option<Call>,
    ) -> Result<Answer<Location>, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            locations::lock_all(connection)?;
            if locations::count(connection)? >= MAX_LOCATIONS {
                let detail = format!("a shop has at most {MAX_LOCATIONS} locations");
                return refuse(ProductError::Invalid(FieldErrors::one("", "too_many", detail)));
            }
            let handle = match new.handle {
                Some(handle) => handle,
                None => free_handle(connection, new.name.as_str())?,
            };
            let location = Location {
                id: LocationId::generate(),
                handle: handle.into(),
                name: new.name.into_string(),
                priority: new.priority,
                active: new.active,
                fulfils_online: new.fulfils_online,
                is_default: false,
                version: 1,
                created_at: now,
                updated_at: now,
            };
            locations::insert(connection, location.clone()).map_err(refuse_duplicates)?;
            Ok(location)
        };
        self.db.once(SCHEMA, call, 201, now, work).await
    }

    /// Changes a location. Where that puts its stock on sale or takes it off, events tell of variants that are out or back.
    pub(crate) async fn update_location(
        &self,
        id: LocationId,
        patch: LocationPatch,
        condition: IfMatch,
    ) -> Result<Location, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            let before = lock(connection, id, &condition)?;
            let mut after = before.clone();
            patch.apply(&mut after);
            check_default(&after).or_refuse()?;
            let held = match before.sells() == after.sells() {
                true => Vec::new(),
                false => {
                    let variants = locations::variants_at(connection, id.uuid())?;
                    stock::hold(connection, variants)?
                }
            };
            locations::update(connection, &after, now).map_err(refuse_duplicates)?;
            stock::tell(connection, &held, now)?;
            locations::find(connection, id.uuid())?.ok_or_else(missing).or_refuse()
        };
        let location = self.db.transaction(work).await?;
        self.outdate();
        self.search.catch_up().await;
        Ok(location)
    }

    /// Removes a location where nothing lies and nothing is promised.
    pub(crate) async fn delete_location(&self, id: LocationId, condition: IfMatch) -> Result<(), ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            let location = lock(connection, id, &condition)?;
            let in_use = |reason: &str| refuse(ProductError::InUse(reason.to_owned()));
            if location.is_default {
                return in_use("the default location is always there");
            }
            if locations::is_used(connection, id.uuid())? {
                return in_use("the location has stock or promises");
            }
            Ok(locations::delete(connection, id.uuid(), now)?)
        };
        self.db.transaction(work).await
    }
}

fn missing() -> ProductError {
    ProductError::NotFound("location".to_owned())
}

fn lock(connection: &mut PgConnection, id: LocationId, condition: &IfMatch) -> Work<Location> {
    let location = locations::lock(connection, id.uuid())?
        .ok_or_else(missing)
        .or_refuse()?;
    allow(condition, location.version)?;
    Ok(location)
}

/// The default location serves orders: what is sold before it is there is promised from it.
fn check_default(location: &Location) -> Result<(), ProductError> {
    let mut errors = FieldErrors::new();
    for (pointer, value) in [
        ("/active", location.active),
        ("/fulfils_online", location.fulfils_online),
    ] {
        if location.is_default && !value {
            errors.add(pointer, "default_location", "the default location serves orders");
        }
    }
    errors.into_result().map_err(ProductError::Invalid)
}

fn free_handle(connection: &mut PgConnection, name: &str) -> Work<Handle> {
    let candidates = Handle::candidates(name, &LocationId::generate().uuid().simple().to_string());
    let taken = locations::taken_handles(connection, &candidates)?;
    let free = candidates
        .into_iter()
        .find(|candidate| !taken.iter().any(|taken| taken == candidate.as_str()));
    free.ok_or_else(|| ProductError::Taken("location (by its handle)".to_owned()))
        .or_refuse()
}
