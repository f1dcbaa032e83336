//! Transfers between locations, and counts: many variants at a time, all of them or none.

use std::collections::HashMap;

use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::FieldErrors;
use kernel::http::{Answer, Call};
use kernel::id::{TransferId, UserId, VariantId};
use kernel::page::Page;
use product_api::{ProductError, Shortage, StaleCount};
use uuid::Uuid;

use super::Service;
use super::stock::{hold_location, unknown_location};
use crate::domain::SCHEMA;
use crate::domain::count::{Count, CountedLine, NewCount};
use crate::domain::stock::{Delta, Held, MAX_STOCK};
use crate::domain::transfer::{NewTransfer, Transfer, TransferQuery};
use crate::queries::stock::{self, Cause};
use crate::queries::writing::Stamp;
use crate::queries::{locations, transfers};

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// Transfers, newest first.
    pub(crate) async fn list_transfers(&self, query: TransferQuery) -> Result<Page<Transfer>, ProductError> {
        const LIST: &str = "stock/transfers";
        let before = match &query.cursor {
            None => None,
            Some(cursor) => {
                let opened = self.cursors.open(LIST, cursor);
                Some(opened.map_err(|error| ProductError::InvalidQuery(error.into()))?)
            }
        };
        let limit = query.limit;
        let rows = self
            .db
            .run(move |connection| Ok::<_, Failure<ProductError>>(transfers::page(connection, before, limit + 1)?))
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(LIST, &last.id.uuid())
        }))
    }

    /// Moves stock from one location to another. What is promised there cannot be taken away.
    pub(crate) async fn create_transfer(
        &self,
        new: NewTransfer,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<Transfer>, ProductError> {
        new.check().map_err(ProductError::Invalid)?;
        let changed = new.lines.iter().map(|line| line.variant_id.uuid()).collect();
        let stamp = self.stamp(actor);
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| transfer(connection, new, &stamp);
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        self.show_stock(changed).await;
        Ok(answer)
    }

    /// Sets the stock of a location to what was counted there. Refused where some of it was sold or moved since the
    /// counting began, so that nothing of that is lost.
    pub(crate) async fn create_count(
        &self,
        new: NewCount,
        call: Option<Call>,
        actor: UserId,
    ) -> Result<Answer<Count>, ProductError> {
        new.check().map_err(ProductError::Invalid)?;
        let changed = new.lines.iter().map(|line| line.variant_id.uuid()).collect();
        let stamp = self.stamp(actor);
        let now = stamp.now;
        let work = move |connection: &mut PgConnection| count(connection, &new, &stamp);
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        self.show_stock(changed).await;
        Ok(answer)
    }
}

fn transfer(connection: &mut PgConnection, new: NewTransfer, stamp: &Stamp) -> Work<Transfer> {
    // What came back to a location after it was deleted can still be fetched from there.
    let from = new.from_location_id.uuid();
    if !locations::was_there(connection, from)? {
        return refuse(ProductError::Invalid(unknown_location("/from_location_id")));
    }
    let to = hold_location(connection, new.to_location_id, "/to_location_id")?;
    let variants: Vec<Uuid> = new.lines.iter().map(|line| line.variant_id.uuid()).collect();
    stock::ensure(connection, to, variants.clone())?;
    let held = stock::hold(connection, variants)?;
    check_variants(&held, to, new.lines.iter().map(|line| line.variant_id)).or_refuse()?;
    let (sources, destinations) = (rows_at(&held, from), rows_at(&held, to));
    let mut short = Vec::new();
    let mut errors = FieldErrors::new();
    for (index, line) in new.lines.iter().enumerate() {
        let variant = line.variant_id.uuid();
        let available = sources.get(&variant).map_or(0, |row| row.on_hand - row.reserved);
        if available < line.quantity {
            short.push(Shortage {
                variant_id: line.variant_id,
                requested: line.quantity,
                available: available.max(0),
            });
        }
        let on_hand = destinations.get(&variant).map_or(0, |row| row.on_hand);
        if on_hand + line.quantity > MAX_STOCK {
            let detail = format!("there may be at most {MAX_STOCK} at a location");
            errors.add(format!("/lines/{index}/quantity"), "out_of_range", detail);
        }
    }
    errors.into_result().map_err(ProductError::Invalid).or_refuse()?;
    if !short.is_empty() {
        return refuse(ProductError::InsufficientStock(short));
    }
    let deltas: Vec<Delta> = new
        .lines
        .iter()
        .flat_map(|line| [(from, -line.quantity), (to, line.quantity)].map(|side| (line.variant_id.uuid(), side)))
        .map(|(variant, (location, delta))| Delta {
            variant,
            location,
            delta,
        })
        .collect();
    let transfer = Transfer {
        id: TransferId::generate(),
        from_location_id: new.from_location_id,
        to_location_id: new.to_location_id,
        lines: new.lines,
        reason: new.reason.into_string(),
        actor: stamp.actor.clone(),
        created_at: stamp.now,
    };
    transfers::insert(connection, &transfer)?;
    let cause = Cause {
        kind: "transfer",
        reason: &transfer.reason,
        transfer: Some(transfer.id.uuid()),
    };
    book(connection, &held, &deltas, cause, stamp)?;
    Ok(transfer)
}

fn count(connection: &mut PgConnection, new: &NewCount, stamp: &Stamp) -> Work<Count> {
    let location = hold_location(connection, new.location_id, "/location_id")?;
    let variants: Vec<Uuid> = new.lines.iter().map(|line| line.variant_id.uuid()).collect();
    stock::ensure(connection, location, variants.clone())?;
    let held = stock::hold(connection, variants)?;
    check_variants(&held, location, new.lines.iter().map(|line| line.variant_id)).or_refuse()?;
    let rows = rows_at(&held, location);
    let (mut stale, mut short, mut deltas, mut lines) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for line in &new.lines {
        let Some(row) = rows.get(&line.variant_id.uuid()) else {
            continue;
        };
        if row.on_hand != line.expected_on_hand {
            stale.push(StaleCount {
                variant_id: line.variant_id,
                expected_on_hand: line.expected_on_hand,
                on_hand: row.on_hand,
            });
        }
        let delta = line.counted - row.on_hand;
        if delta < 0 && line.counted < row.reserved {
            short.push(Shortage {
                variant_id: line.variant_id,
                requested: row.reserved,
                available: line.counted,
            });
        }
        if delta != 0 {
            deltas.push(Delta {
                variant: row.variant,
                location,
                delta,
            });
        }
        lines.push(CountedLine {
            variant_id: line.variant_id,
            on_hand: line.counted,
            reserved: row.reserved,
            delta,
        });
    }
    if !stale.is_empty() {
        return refuse(ProductError::StockChanged(stale));
    }
    if !short.is_empty() {
        return refuse(ProductError::InsufficientStock(short));
    }
    let cause = Cause {
        kind: "count",
        reason: new.reason.as_str(),
        transfer: None,
    };
    book(connection, &held, &deltas, cause, stamp)?;
    Ok(Count {
        location_id: new.location_id,
        lines,
    })
}

/// Changes stock that is held by what was checked before, and tells of it.
fn book(connection: &mut PgConnection, held: &[Held], deltas: &[Delta], cause: Cause<'_>, stamp: &Stamp) -> Work<()> {
    let changed = stock::change(connection, deltas, cause, stamp)?;
    if changed != deltas.len() {
        let detail = format!("{changed} of {} rows of stock could be changed", deltas.len());
        return refuse(ProductError::Fault(kernel::Fault::internal(detail)));
    }
    Ok(stock::tell(connection, held, stamp.now)?)
}

fn rows_at(held: &[Held], location: Uuid) -> HashMap<Uuid, Held> {
    let here = held.iter().filter(|row| row.location == location);
    here.map(|row| (row.variant, *row)).collect()
}

/// Variants that exist have a row at the location by now.
fn check_variants(
    held: &[Held],
    location: Uuid,
    variants: impl Iterator<Item = VariantId>,
) -> Result<(), ProductError> {
    let rows = rows_at(held, location);
    let mut errors = FieldErrors::new();
    for (index, variant) in variants.enumerate() {
        let pointer = format!("/lines/{index}/variant_id");
        match rows.get(&variant.uuid()) {
            None => errors.add(pointer, "not_found", "there is no such variant"),
            Some(row) if row.is_bundle => errors.add(pointer, "is_bundle", "a bundle has no stock of its own"),
            Some(_) => (),
        }
    }
    errors.into_result().map_err(ProductError::Invalid)
}
