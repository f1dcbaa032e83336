//! What staff do to the stock of variants, and the terms on which they are sold. Transfers and counts are in
//! `transfers`.

use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::FieldErrors;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::{LocationId, UserId, VariantId};
use kernel::page::Cursors;
use product_api::{ProductError, Shortage};
use uuid::Uuid;

use super::bundles::no_stock;
use super::editing::publish;
use super::{Service, allow};
use crate::domain::SCHEMA;
use crate::domain::location::DEFAULT_LOCATION;
use crate::domain::stock::{Delta, Held, MAX_STOCK, MovementQuery, NewAdjustment, SHOWN_MOVEMENTS, StockLevel};
use crate::domain::terms::TermsPatch;
use crate::queries::levels::{self, Movements};
use crate::queries::stock::{self, Cause};
use crate::queries::{locations, writing::Stamp};

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// The stock of a variant, with a page of its movements.
    pub(crate) async fn stock(&self, variant: VariantId, query: MovementQuery) -> Result<StockLevel, ProductError> {
        let before = match &query.cursor {
            None => None,
            Some(cursor) => {
                let opened = self.cursors.open(&movements_list(variant), cursor);
                Some(opened.map_err(|error| ProductError::InvalidQuery(error.into()))?)
            }
        };
        let movements = Movements {
            before,
            limit: query.limit,
        };
        let shown = self.shown(variant);
        self.db.run(move |connection| shown.read(connection, movements)).await
    }

    /// Corrects the stock of a variant at a location. What is promised to orders cannot be taken away.
    pub(crate) async fn adjust_stock(
        &self,
        new: NewAdjustment,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<StockLevel>, ProductError> {
        new.check().map_err(ProductError::Invalid)?;
        let changed = vec![new.variant_id.uuid()];
        let (stamp, shown) = (self.stamp(actor), self.shown(new.variant_id));
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| {
            let held = adjust(connection, &new, &stamp)?;
            stock::tell(connection, &held, stamp.now)?;
            let level = shown.read(connection, Movements::latest())?;
            publish(connection, &[level.product_id.uuid()], now)?;
            Ok(level)
        };
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        self.show_stock(changed).await;
        Ok(answer)
    }

    /// Changes the terms on which a variant is sold. What was promised under other terms stands.
    pub(crate) async fn update_terms(
        &self,
        variant: VariantId,
        patch: TermsPatch,
        condition: IfMatch,
    ) -> Result<StockLevel, ProductError> {
        let now = self.clock.now();
        let shown = self.shown(variant);
        let work = move |connection: &mut PgConnection| {
            let missing = || ProductError::NotFound("variant".to_owned());
            let held = levels::hold_terms(connection, variant.uuid())?
                .ok_or_else(missing)
                .or_refuse()?;
            if held.is_bundle {
                return refuse(no_stock(""));
            }
            allow(&condition, held.version)?;
            let after = patch.apply(held.terms).map_err(ProductError::Invalid).or_refuse()?;
            levels::set_terms(connection, variant.uuid(), &after)?;
            publish(connection, &[held.product], now)?;
            shown.read(connection, Movements::latest())
        };
        let level = self.db.transaction(work).await?;
        self.show(vec![level.product_id.uuid()]).await;
        Ok(level)
    }

    fn shown(&self, variant: VariantId) -> Shown {
        Shown {
            variant,
            today: self.clock.now().date_naive(),
            cursors: self.cursors.clone(),
        }
    }
}

impl Movements {
    fn latest() -> Self {
        Self {
            before: None,
            limit: SHOWN_MOVEMENTS,
        }
    }
}

/// What it takes to show the stock of a variant.
struct Shown {
    variant: VariantId,
    today: chrono::NaiveDate,
    cursors: Cursors,
}

impl Shown {
    fn read(&self, connection: &mut PgConnection, movements: Movements) -> Work<StockLevel> {
        let seal = |number: i64| self.cursors.seal(&movements_list(self.variant), &number);
        let level = levels::level(connection, self.variant.uuid(), movements, self.today, seal)?;
        level
            .ok_or_else(|| ProductError::NotFound("variant".to_owned()))
            .or_refuse()
    }
}

fn movements_list(variant: VariantId) -> String {
    format!("stock/{variant}/movements")
}

/// A location that is named in a request, which stays until the transaction ends.
pub(super) fn hold_location(connection: &mut PgConnection, id: LocationId, pointer: &str) -> Work<Uuid> {
    match locations::hold(connection, id.uuid())? {
        true => Ok(id.uuid()),
        false => refuse(ProductError::Invalid(unknown_location(pointer))),
    }
}

/// There is no such location.
pub(super) fn unknown_location(pointer: &str) -> FieldErrors {
    FieldErrors::one(pointer, "not_found", "there is no such location")
}

/// Books an adjustment; answers the rows of the variant as they were before it.
fn adjust(connection: &mut PgConnection, new: &NewAdjustment, stamp: &Stamp) -> Work<Vec<Held>> {
    let location = match new.location_id {
        Some(id) => hold_location(connection, id, "/location_id")?,
        None => DEFAULT_LOCATION,
    };
    let variant = new.variant_id.uuid();
    stock::ensure(connection, location, vec![variant])?;
    let held = stock::hold(connection, vec![variant])?;
    let Some(row) = held.iter().find(|row| row.location == location) else {
        return refuse(ProductError::NotFound("variant".to_owned()));
    };
    if row.is_bundle {
        return refuse(no_stock("/variant_id"));
    }
    let delta = Delta {
        variant,
        location,
        delta: new.delta,
    };
    let cause = Cause {
        kind: "adjustment",
        reason: new.reason.as_str(),
        transfer: None,
    };
    if stock::change(connection, &[delta], cause, stamp)? == 1 {
        return Ok(held);
    }
    if new.delta > 0 {
        let detail = format!("there may be at most {MAX_STOCK}");
        return refuse(ProductError::Invalid(FieldErrors::one(
            "/delta",
            "out_of_range",
            detail,
        )));
    }
    refuse(ProductError::InsufficientStock(vec![Shortage {
        variant_id: new.variant_id,
        requested: new.delta.saturating_neg(),
        available: (row.on_hand - row.reserved).max(0),
    }]))
}
