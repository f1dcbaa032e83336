//! What staff say of shipping and of taxes, zone by zone. Carts are priced by it when this is answered, in other processes
//! the next time that they read any cart.

use cart_api::CartError;
use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::Id;
use kernel::page::Page;
use kernel::{Fault, FieldError, FieldErrors};
use uuid::Uuid;

use super::Service;
use crate::SCHEMA;
use crate::domain::Zone;
use crate::queries::rules::raise;
use crate::queries::zones::{self, StoredZone};

type Work<T> = Result<T, Failure<CartError>>;

impl Service {
    /// A page of the zones of a kind, those after `after`.
    pub(crate) async fn list_zones<C: StoredZone>(
        &self,
        limit: i64,
        after: Option<Id<C::Kind>>,
    ) -> Result<Page<C::Shown>, Fault> {
        let after = after.unwrap_or_else(|| Uuid::nil().into());
        let zones: Vec<Zone<C>> = self
            .query(move |connection| zones::page(connection, after, limit + 1))
            .await?;
        let page = Page::from_surplus(zones, limit, |last| self.cursors.seal(C::NAME, &last.id));
        Ok(page.map(C::Shown::from))
    }

    /// The zone at which a page of the list goes on.
    pub(crate) fn place_of_zone<C: StoredZone>(
        &self,
        cursor: Option<String>,
    ) -> Result<Option<Id<C::Kind>>, FieldError> {
        cursor.map(|cursor| self.cursors.open(C::NAME, &cursor)).transpose()
    }

    /// A zone by its id.
    pub(crate) async fn find_zone<C: StoredZone>(&self, id: Id<C::Kind>) -> Result<C::Shown, CartError> {
        let found: Zone<C> = self.database.run(move |connection| stored(connection, id)).await?;
        Ok(found.into())
    }

    /// Adds a zone.
    pub(crate) async fn create_zone<C: StoredZone>(
        &self,
        new: C::New,
        call: Option<Call>,
    ) -> Result<Answer<C::Shown>, CartError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| -> Work<C::Shown> {
            let zone = Zone::<C>::new(new, now).map_err(CartError::Invalid).or_refuse()?;
            raise(connection)?;
            if zones::count::<C>(connection)? >= C::MOST {
                let detail = format!("a shop has at most {} of the {}s", C::MOST, C::NAME);
                return refuse(CartError::Invalid(FieldErrors::one("", "too_many", detail)));
            }
            zones::insert(connection, &zone)?;
            Ok(zone.into())
        };
        let answer = self.database.once(SCHEMA, call, 201, now, work).await?;
        self.rules.take_news().await;
        Ok(answer)
    }

    /// Changes a zone.
    pub(crate) async fn update_zone<C: StoredZone>(
        &self,
        id: Id<C::Kind>,
        patch: C::Patch,
        condition: IfMatch,
    ) -> Result<C::Shown, CartError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| -> Work<C::Shown> {
            raise(connection)?;
            let before: Zone<C> = stored(connection, id)?;
            allow(&condition, before.version)?;
            let after = before.patched(patch, now).map_err(CartError::Invalid).or_refuse()?;
            zones::update(connection, &after)?;
            Ok(after.into())
        };
        let changed = self.database.transaction(work).await?;
        self.rules.take_news().await;
        Ok(changed)
    }

    /// Removes a zone.
    pub(crate) async fn delete_zone<C: StoredZone>(
        &self,
        id: Id<C::Kind>,
        condition: IfMatch,
    ) -> Result<(), CartError> {
        let work = move |connection: &mut PgConnection| -> Work<()> {
            raise(connection)?;
            allow(&condition, stored::<C>(connection, id)?.version)?;
            Ok(zones::delete::<C>(connection, id)?)
        };
        self.database.transaction(work).await?;
        self.rules.take_news().await;
        Ok(())
    }
}

fn stored<C: StoredZone>(connection: &mut PgConnection, id: Id<C::Kind>) -> Work<Zone<C>> {
    let missing = || CartError::NotFound(C::NAME.to_owned());
    zones::find(connection, id)?.ok_or_else(missing).or_refuse()
}

/// Refuses a change of another version than the one that was read.
fn allow(condition: &IfMatch, version: i64) -> Work<()> {
    match condition.allows(version) {
        true => Ok(()),
        false => refuse(CartError::VersionMismatch(version)),
    }
}
