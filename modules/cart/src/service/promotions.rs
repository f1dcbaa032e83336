//! Promotions and their codes, as staff arrange them.

use cart_api::CartError;
use chrono::{DateTime, Utc};
use database::{Failure, OnViolation, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::PromotionId;
use kernel::page::Page;
use kernel::{Fault, FieldError, FieldErrors};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Service, allow};
use crate::SCHEMA;
use crate::domain::PromotionCode;
use crate::domain::code::{CodesToMake, ListedCode, MAX_CODES_OF_PROMOTION, NewCodes, RandomCodes};
use crate::domain::promotion::{MAX_ENABLED, NewPromotion, Promotion, PromotionPatch};
use crate::queries::{promotions, rules};

/// How often random codes are drawn in place of those that are taken.
const DRAWS: usize = 10;
/// What cursors of the list belong to.
const LIST: &str = "promotions";

type Work<T> = Result<T, Failure<CartError>>;

/// Codes just made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct MadeCodes {
    codes: Vec<String>,
}

impl Service {
    /// The promotion at which a page of the list begins.
    pub(crate) fn promotion_at(&self, cursor: Option<String>) -> Result<Uuid, FieldError> {
        Ok(self.opened(LIST, cursor)?.unwrap_or_default())
    }

    /// A page of the promotions, by age.
    pub(crate) async fn list_promotions(&self, limit: i64, after: Uuid) -> Result<Page<Promotion>, CartError> {
        let rows = self
            .query(move |connection| promotions::page(connection, after, limit + 1))
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(LIST, &last.id.uuid())
        }))
    }

    /// A promotion by its id.
    pub(crate) async fn find_promotion(&self, id: PromotionId) -> Result<Promotion, CartError> {
        let found = self.database.run(move |connection| stored(connection, id)).await?;
        self.with_uses(found).await
    }

    /// Adds a promotion.
    pub(crate) async fn create_promotion(
        &self,
        new: NewPromotion,
        call: Option<Call>,
    ) -> Result<Answer<Promotion>, CartError> {
        let (now, currencies) = (self.clock.now(), self.currencies.clone());
        let work = move |connection: &mut PgConnection| {
            let promotion = new.into_promotion(&currencies, now);
            let promotion = promotion.map_err(CartError::Invalid).or_refuse()?;
            rules::raise(connection)?;
            require_room(connection, &promotion)?;
            promotions::insert(connection, &promotion)?;
            Ok(promotion)
        };
        let answer = self.database.once(SCHEMA, call, 201, now, work).await?;
        self.rules.take_news().await;
        Ok(answer)
    }

    /// Changes a promotion.
    pub(crate) async fn update_promotion(
        &self,
        id: PromotionId,
        patch: PromotionPatch,
        condition: IfMatch,
    ) -> Result<Promotion, CartError> {
        let (now, currencies) = (self.clock.now(), self.currencies.clone());
        let work = move |connection: &mut PgConnection| {
            rules::raise(connection)?;
            let before = stored(connection, id)?;
            allow(&condition, before.version)?;
            let after = patch.apply(before.clone(), &currencies, now);
            let after = after.map_err(CartError::Invalid).or_refuse()?;
            if !before.enabled {
                require_room(connection, &after)?;
            }
            promotions::update(connection, &after)?;
            if after.has_to_be_counted(&before) {
                promotions::count_uses_anew(connection, id)?;
            }
            stored(connection, id)
        };
        let changed = self.database.transaction(work).await?;
        self.rules.take_news().await;
        // Orders have waited long enough.
        self.with_uses(changed).await
    }

    /// Removes a promotion that no order uses, with its codes.
    pub(crate) async fn delete_promotion(&self, id: PromotionId, condition: IfMatch) -> Result<(), CartError> {
        let work = move |connection: &mut PgConnection| {
            rules::raise(connection)?;
            allow(&condition, stored(connection, id)?.version)?;
            promotions::delete(connection, id)
                .on_violation("promotion_uses_promotion_id_fkey", || CartError::PromotionInUse)
        };
        self.database.transaction(work).await?;
        self.rules.take_news().await;
        Ok(())
    }

    /// The code at which a page of a promotion's codes begins.
    pub(crate) fn code_at(&self, id: PromotionId, cursor: Option<String>) -> Result<String, FieldError> {
        Ok(self.opened(&codes_of(id), cursor)?.unwrap_or_default())
    }

    /// A page of a promotion's codes, in their order.
    pub(crate) async fn list_codes(
        &self,
        id: PromotionId,
        limit: i64,
        after: String,
    ) -> Result<Page<ListedCode>, CartError> {
        let work = move |connection: &mut PgConnection| match promotions::exists(connection, id)? {
            true => Ok(promotions::page_of_codes(connection, id, &after, limit + 1)?),
            false => refuse(no_promotion()),
        };
        let rows = self.database.run(work).await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(&codes_of(id), &last.code)
        }))
    }

    /// Adds codes to a promotion.
    pub(crate) async fn create_codes(
        &self,
        id: PromotionId,
        new: NewCodes,
        call: Option<Call>,
    ) -> Result<Answer<MadeCodes>, CartError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            let wanted = new.check().map_err(CartError::Invalid).or_refuse()?;
            require_room_for_codes(connection, id, &wanted)?;
            let codes = match wanted {
                CodesToMake::Given(code, limit) => {
                    let code = vec![code.as_str().to_owned()];
                    promotions::insert_codes(connection, id, code, limit, now)?
                }
                CodesToMake::Random(random) => draw(connection, id, &random, now)?,
            };
            match codes.is_empty() {
                true => invalid("/code", "taken", "there is such a code already"),
                false => Ok(MadeCodes { codes }),
            }
        };
        self.database.once(SCHEMA, call, 201, now, work).await
    }

    /// Removes a code of a promotion. Orders that were given for it stay as they are.
    pub(crate) async fn delete_code(&self, id: PromotionId, code: PromotionCode) -> Result<(), CartError> {
        let work = move |connection: &mut PgConnection| {
            rules::hold(connection)?;
            match promotions::delete_code(connection, id, &code)? {
                true => Ok(()),
                false => refuse(CartError::NotFound("code of the promotion".to_owned())),
            }
        };
        self.database.transaction(work).await
    }

    /// The promotion with what orders use of it.
    async fn with_uses(&self, promotion: Promotion) -> Result<Promotion, CartError> {
        Ok(self
            .query(move |connection| promotions::count_uses(connection, promotion))
            .await?)
    }
}

/// What cursors of a promotion's codes belong to.
fn codes_of(id: PromotionId) -> String {
    format!("codes of {id}")
}

fn no_promotion() -> CartError {
    CartError::NotFound("promotion".to_owned())
}

fn stored(connection: &mut PgConnection, id: PromotionId) -> Work<Promotion> {
    promotions::find(connection, id)?.ok_or_else(no_promotion).or_refuse()
}

fn invalid<T>(pointer: &str, code: &str, detail: impl Into<String>) -> Work<T> {
    refuse(CartError::Invalid(FieldErrors::one(pointer, code, detail)))
}

/// Refuses one more enabled promotion than a shop has.
fn require_room(connection: &mut PgConnection, promotion: &Promotion) -> Work<()> {
    if promotion.enabled && promotions::count_others_enabled(connection, promotion.id)? >= MAX_ENABLED {
        let detail = format!("a shop has at most {MAX_ENABLED} promotions that are enabled");
        return invalid("/enabled", "too_many", detail);
    }
    Ok(())
}

/// Refuses codes of a promotion that is given without, and more than a promotion has.
fn require_room_for_codes(connection: &mut PgConnection, id: PromotionId, wanted: &CodesToMake) -> Work<()> {
    let Some(needs_code) = promotions::hold_codes(connection, id)? else {
        return refuse(no_promotion());
    };
    if !needs_code {
        return invalid("", "promotion_without_codes", "the promotion is given without a code");
    }
    let (pointer, more) = match wanted {
        CodesToMake::Given(..) => ("/code", 1),
        CodesToMake::Random(random) => ("/generate/count", i64::try_from(random.count).unwrap_or(i64::MAX)),
    };
    let present = promotions::count_codes(connection, id)?;
    if present.saturating_add(more) > MAX_CODES_OF_PROMOTION {
        let detail = format!("a promotion has at most {MAX_CODES_OF_PROMOTION} codes");
        return invalid(pointer, "too_many", detail);
    }
    Ok(())
}

/// Adds random codes, others in place of those that are taken.
fn draw(connection: &mut PgConnection, id: PromotionId, random: &RandomCodes, now: DateTime<Utc>) -> Work<Vec<String>> {
    let mut made = Vec::with_capacity(random.count);
    for _ in 0..DRAWS {
        let drawn = random.draw(random.count - made.len());
        made.extend(promotions::insert_codes(
            connection,
            id,
            drawn,
            random.usage_limit,
            now,
        )?);
        if made.len() >= random.count {
            made.sort_unstable();
            return Ok(made);
        }
    }
    let fault = Fault::unavailable("too many random codes are taken; try again, or longer ones");
    refuse(fault.into())
}
