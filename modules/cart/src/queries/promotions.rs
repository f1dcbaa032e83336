//! Promotions and their codes, as staff arrange them. Whoever writes a promotion has called `rules::raise` in the same
//! transaction: no order claims or returns anything meanwhile.

use chrono::{DateTime, Utc};
use database::{Bind, Statement};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use kernel::Money;
use kernel::id::PromotionId;
use serde_json::Value;
use uuid::Uuid;

use super::rules::content_of;
use super::unreadable;
use crate::SCHEMA;
use crate::domain::PromotionCode;
use crate::domain::code::ListedCode;
use crate::domain::promotion::Promotion;
use crate::schema::{promotion_codes, promotions};

/// At most `limit` promotions after `after`, in the order in which they were made, with what is kept of their uses.
pub(crate) fn page(connection: &mut PgConnection, after: Uuid, limit: i64) -> QueryResult<Vec<Promotion>> {
    let rows: Vec<Row> = promotions::table
        .filter(promotions::id.gt(after))
        .order(promotions::id)
        .limit(limit)
        .select(Row::as_select())
        .load(connection)?;
    rows.into_iter().map(Row::into_promotion).collect()
}

/// A promotion by its id, with what is kept of its uses: nothing where it has neither a limit nor a budget.
pub(crate) fn find(connection: &mut PgConnection, id: PromotionId) -> QueryResult<Option<Promotion>> {
    let row: Option<Row> = promotions::table
        .find(id.uuid())
        .select(Row::as_select())
        .first(connection)
        .optional()?;
    row.map(Row::into_promotion).transpose()
}

/// The same promotion with what living orders use of it where that is not kept. That may be many orders: nobody should wait
/// for it.
pub(crate) fn count_uses(connection: &mut PgConnection, mut found: Promotion) -> QueryResult<Promotion> {
    const SQL: &str = "SELECT currency, count(*) AS uses, sum(amount_minor)::bigint AS spent \
        FROM @.promotion_uses WHERE promotion_id = ? GROUP BY currency ORDER BY currency";
    if found.budget.is_some() {
        return Ok(found);
    }
    let counted: Vec<Used> = Statement::new(SCHEMA, SQL, [Bind::Uuid(found.id.uuid())]).load(connection)?;
    let uses = counted.iter().map(|used| used.uses).sum();
    found.uses = found.uses.or(Some(uses));
    let spent = counted.iter().map(|used| money(used.spent, &used.currency));
    found.spent = Some(spent.collect::<QueryResult<_>>()?);
    Ok(found)
}

/// How many others than `id` are enabled.
pub(crate) fn count_others_enabled(connection: &mut PgConnection, id: PromotionId) -> QueryResult<i64> {
    promotions::table
        .filter(promotions::enabled)
        .filter(promotions::id.ne(id.uuid()))
        .count()
        .get_result(connection)
}

/// Adds a promotion.
pub(crate) fn insert(connection: &mut PgConnection, new: &Promotion) -> QueryResult<()> {
    let row = (
        promotions::id.eq(new.id.uuid()),
        promotions::created_at.eq(new.created_at),
        Written::of(new)?,
    );
    diesel::insert_into(promotions::table)
        .values(row)
        .execute(connection)
        .map(drop)
}

/// Writes a promotion with its version, but for what is used of it.
pub(crate) fn update(connection: &mut PgConnection, after: &Promotion) -> QueryResult<()> {
    diesel::update(promotions::table.find(after.id.uuid()))
        .set(Written::of(after)?)
        .execute(connection)
        .map(drop)
}

/// Counts anew what living orders use of a promotion.
pub(crate) fn count_uses_anew(connection: &mut PgConnection, id: PromotionId) -> QueryResult<()> {
    const SQL: &str = "UPDATE @.promotions AS promotion SET uses = counted.uses, spent_minor = counted.spent \
        FROM ( \
            SELECT count(living.order_id) AS uses, coalesce(sum(living.amount_minor) \
                FILTER (WHERE living.currency = promotion.budget_currency), 0)::bigint AS spent \
            FROM @.promotions AS promotion LEFT JOIN @.promotion_uses AS living ON living.promotion_id = promotion.id \
            WHERE promotion.id = ? \
        ) AS counted \
        WHERE promotion.id = ?";
    let binds = [Bind::Uuid(id.uuid()), Bind::Uuid(id.uuid())];
    Statement::new(SCHEMA, SQL, binds).execute(connection).map(drop)
}

/// Removes a promotion that no order uses, with its codes; others violate `promotion_uses_promotion_id_fkey`.
pub(crate) fn delete(connection: &mut PgConnection, id: PromotionId) -> QueryResult<()> {
    diesel::delete(promotions::table.find(id.uuid()))
        .execute(connection)
        .map(drop)
}

/// Keeps others from adding codes to a promotion until the transaction ends; answers whether it has codes at all, `None`
/// where there is no such promotion.
pub(crate) fn hold_codes(connection: &mut PgConnection, id: PromotionId) -> QueryResult<Option<bool>> {
    promotions::table
        .find(id.uuid())
        .select(promotions::needs_code)
        .for_no_key_update()
        .first(connection)
        .optional()
}

/// Whether there is such a promotion.
pub(crate) fn exists(connection: &mut PgConnection, id: PromotionId) -> QueryResult<bool> {
    diesel::select(diesel::dsl::exists(promotions::table.find(id.uuid()))).get_result(connection)
}

/// At most `limit` codes of a promotion after `after`, in their order.
pub(crate) fn page_of_codes(
    connection: &mut PgConnection,
    id: PromotionId,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<ListedCode>> {
    let rows: Vec<CodeRow> = promotion_codes::table
        .filter(promotion_codes::promotion_id.eq(id.uuid()))
        .filter(promotion_codes::code.gt(after))
        .order(promotion_codes::code)
        .limit(limit)
        .select(CodeRow::as_select())
        .load(connection)?;
    let code = |row: CodeRow| ListedCode {
        code: row.code,
        usage_limit: row.usage_limit,
        uses: row.uses,
        created_at: row.created_at,
    };
    Ok(rows.into_iter().map(code).collect())
}

/// How many codes a promotion has.
pub(crate) fn count_codes(connection: &mut PgConnection, id: PromotionId) -> QueryResult<i64> {
    promotion_codes::table
        .filter(promotion_codes::promotion_id.eq(id.uuid()))
        .count()
        .get_result(connection)
}

/// Adds those of `codes` that are not taken; answers them.
pub(crate) fn insert_codes(
    connection: &mut PgConnection,
    id: PromotionId,
    codes: Vec<String>,
    usage_limit: Option<i64>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<String>> {
    const SQL: &str = "INSERT INTO @.promotion_codes (code, promotion_id, usage_limit, created_at) \
        SELECT wanted.code, ?, wanted.usage_limit, ? FROM unnest(?, ?) AS wanted (code, usage_limit) \
        ON CONFLICT (code) DO NOTHING RETURNING code";
    let limits = vec![usage_limit; codes.len()];
    let binds = [
        Bind::Uuid(id.uuid()),
        Bind::Time(now),
        Bind::Texts(codes),
        Bind::NullableBigInts(limits),
    ];
    let rows: Vec<NewCode> = Statement::new(SCHEMA, SQL, binds).load(connection)?;
    Ok(rows.into_iter().map(|row| row.code).collect())
}

/// Removes a code; `false` where the promotion has none of that name. Orders that were given for it are then given without
/// one, so that what they give back is not taken for a use of another code of that name. `rules::hold` has been called.
pub(crate) fn delete_code(connection: &mut PgConnection, id: PromotionId, code: &PromotionCode) -> QueryResult<bool> {
    const SQL: &str = "WITH gone AS ( \
            DELETE FROM @.promotion_codes WHERE code = ? AND promotion_id = ? RETURNING code \
        ), freed AS ( \
            UPDATE @.promotion_uses AS living SET code = NULL FROM gone \
            WHERE living.promotion_id = ? AND living.code = gone.code \
        ) \
        SELECT EXISTS (SELECT FROM gone) AS done";
    let binds = [
        Bind::Text(code.as_str().to_owned()),
        Bind::Uuid(id.uuid()),
        Bind::Uuid(id.uuid()),
    ];
    let removed: Done = Statement::new(SCHEMA, SQL, binds).get_result(connection)?;
    Ok(removed.done)
}

fn money(amount: i64, currency: &str) -> QueryResult<Money> {
    Ok(Money::new(amount, currency.parse().map_err(unreadable)?))
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = promotions, check_for_backend(diesel::pg::Pg))]
struct Row {
    id: Uuid,
    name: String,
    needs_code: bool,
    enabled: bool,
    priority: i32,
    exclusive: bool,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    terms: Value,
    usage_limit: Option<i64>,
    usage_limit_per_customer: Option<i64>,
    budget_minor: Option<i64>,
    budget_currency: Option<String>,
    uses: i64,
    spent_minor: i64,
    version: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What staff write.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = promotions, treat_none_as_null = true, treat_none_as_default_value = false)]
struct Written {
    name: String,
    needs_code: bool,
    enabled: bool,
    priority: i32,
    exclusive: bool,
    starts_at: Option<DateTime<Utc>>,
    ends_at: Option<DateTime<Utc>>,
    terms: Value,
    usage_limit: Option<i64>,
    usage_limit_per_customer: Option<i64>,
    budget_minor: Option<i64>,
    budget_currency: Option<String>,
    version: i64,
    updated_at: DateTime<Utc>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = promotion_codes, check_for_backend(diesel::pg::Pg))]
struct CodeRow {
    code: String,
    usage_limit: Option<i64>,
    uses: i64,
    created_at: DateTime<Utc>,
}

/// What living orders use of a promotion in a currency.
#[derive(QueryableByName)]
struct Used {
    #[diesel(sql_type = Text)]
    currency: String,
    #[diesel(sql_type = BigInt)]
    uses: i64,
    #[diesel(sql_type = BigInt)]
    spent: i64,
}

#[derive(QueryableByName)]
struct NewCode {
    #[diesel(sql_type = Text)]
    code: String,
}

#[derive(QueryableByName)]
struct Done {
    #[diesel(sql_type = Bool)]
    done: bool,
}

impl Written {
    fn of(promotion: &Promotion) -> QueryResult<Self> {
        let terms = serde_json::to_value(&promotion.terms);
        Ok(Self {
            name: promotion.name.clone(),
            needs_code: promotion.needs_code,
            enabled: promotion.enabled,
            priority: promotion.priority,
            exclusive: promotion.exclusive,
            starts_at: promotion.starts_at,
            ends_at: promotion.ends_at,
            terms: terms.map_err(|error| diesel::result::Error::SerializationError(error.into()))?,
            usage_limit: promotion.usage_limit,
            usage_limit_per_customer: promotion.usage_limit_per_customer,
            budget_minor: promotion.budget.map(|budget| budget.amount),
            budget_currency: promotion.budget.map(|budget| budget.currency.code().to_owned()),
            version: promotion.version,
            updated_at: promotion.updated_at,
        })
    }
}

impl Row {
    fn into_promotion(self) -> QueryResult<Promotion> {
        let budget = self.budget_minor.zip(self.budget_currency);
        let budget = budget.map(|(amount, currency)| money(amount, &currency)).transpose()?;
        let is_kept = budget.is_some() || self.usage_limit.is_some();
        Ok(Promotion {
            id: self.id.into(),
            name: self.name,
            needs_code: self.needs_code,
            enabled: self.enabled,
            priority: self.priority,
            exclusive: self.exclusive,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            terms: content_of(self.terms)?,
            usage_limit: self.usage_limit,
            usage_limit_per_customer: self.usage_limit_per_customer,
            budget,
            uses: is_kept.then_some(self.uses),
            spent: budget.map(|budget| vec![Money::new(self.spent_minor, budget.currency)]),
            version: self.version,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }
}
