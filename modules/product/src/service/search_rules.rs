//! What staff say of searches: which products come first, earlier or last.

use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::FieldErrors;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::SearchRuleId;
use kernel::page::Page;
use product_api::ProductError;
use uuid::Uuid;

use super::search_settings::change;
use super::{Service, allow};
use crate::domain::SCHEMA;
use crate::domain::search_rule::{MAX_RULES, NewSearchRule, SearchRule, SearchRulePatch};
use crate::queries::search_rules;
use crate::search::words_of;

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// A page of the rules.
    pub(crate) async fn list_search_rules(
        &self,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<SearchRule>, ProductError> {
        const LIST: &str = "search/rules";
        let after: Uuid = self.opened(LIST, cursor)?.unwrap_or_default();
        let rows = self
            .db
            .run(move |connection| Ok::<_, Failure<ProductError>>(search_rules::page(connection, after, limit + 1)?))
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(LIST, &last.id.uuid())
        }))
    }

    /// A rule by its id.
    pub(crate) async fn find_search_rule(&self, id: SearchRuleId) -> Result<SearchRule, ProductError> {
        self.db.run(move |connection| stored(connection, id)).await
    }

    /// Adds a rule.
    pub(crate) async fn create_search_rule(
        &self,
        new: NewSearchRule,
        call: Option<Call>,
    ) -> Result<Answer<SearchRule>, ProductError> {
        let (now, clock) = (self.clock.now(), self.clock.clone());
        let work = move |connection: &mut PgConnection| {
            let rule = SearchRule::new(new, now);
            change(connection, &clock)?;
            check(connection, &rule)?;
            if search_rules::count(connection)? >= MAX_RULES {
                let detail = format!("a shop has at most {MAX_RULES} rules");
                return refuse(ProductError::Invalid(FieldErrors::one("", "too_many", detail)));
            }
            search_rules::insert(connection, &rule)?;
            Ok(rule)
        };
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        self.search.take_settings().await;
        Ok(answer)
    }

    /// Changes a rule.
    pub(crate) async fn update_search_rule(
        &self,
        id: SearchRuleId,
        patch: SearchRulePatch,
        condition: IfMatch,
    ) -> Result<SearchRule, ProductError> {
        let clock = self.clock.clone();
        let work = move |connection: &mut PgConnection| {
            change(connection, &clock)?;
            let before = stored(connection, id)?;
            allow(&condition, before.version)?;
            let after = before.patched(patch, clock.now());
            check(connection, &after)?;
            search_rules::update(connection, &after)?;
            Ok(after)
        };
        let changed = self.db.transaction(work).await?;
        self.search.take_settings().await;
        Ok(changed)
    }

    /// Removes a rule.
    pub(crate) async fn delete_search_rule(&self, id: SearchRuleId, condition: IfMatch) -> Result<(), ProductError> {
        let clock = self.clock.clone();
        let work = move |connection: &mut PgConnection| {
            change(connection, &clock)?;
            allow(&condition, stored(connection, id)?.version)?;
            Ok(search_rules::delete(connection, id.uuid())?)
        };
        self.db.transaction(work).await?;
        self.search.take_settings().await;
        Ok(())
    }
}

fn check(connection: &mut PgConnection, rule: &SearchRule) -> Work<()> {
    rule.check(words_of).map_err(ProductError::Invalid).or_refuse()?;
    let known = search_rules::known_products(connection, rule)?;
    rule.check_products(&known).map_err(ProductError::Invalid).or_refuse()
}

fn stored(connection: &mut PgConnection, id: SearchRuleId) -> Work<SearchRule> {
    let missing = || ProductError::NotFound("search rule".to_owned());
    search_rules::find(connection, id.uuid())?
        .ok_or_else(missing)
        .or_refuse()
}
