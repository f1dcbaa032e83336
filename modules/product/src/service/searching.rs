//! What staff see of the search and ask of it.

use std::time::Duration;

use chrono::TimeDelta;
use database::{Failure, OrRefuse};
use diesel::PgConnection;
use kernel::Fault;
use kernel::http::{Answer, Call};
use kernel::id::ProductId;
use kernel::job::{Job, Round};
use kernel::page::Page;
use product_api::ProductError;
use uuid::Uuid;

use super::{Service, editing};
use crate::domain::SCHEMA;
use crate::domain::filter::{Filter, ListQuery};
use crate::domain::searching::{KEPT_DAYS, MissQuery, ParkedProduct, SearchMiss};
use crate::queries::{misses, search};

/// How often searches without a result are written down.
const EVERY: Duration = Duration::from_secs(5);

impl Service {
    /// A page of the products that could not be indexed, in the order of their ids.
    pub(crate) async fn list_parked(
        &self,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<ParkedProduct>, ProductError> {
        const LIST: &str = "search/parked";
        let after: Uuid = self.opened(LIST, cursor)?.unwrap_or_default();
        let work =
            move |connection: &mut PgConnection| Ok::<_, Failure<Fault>>(search::parked(connection, after, limit + 1)?);
        let rows = self.db.run(work).await?;
        let place = |last: &ParkedProduct| self.cursors.seal(LIST, &last.product_id.uuid());
        Ok(Page::from_surplus(rows, limit, place))
    }

    /// Has every process try once more to index a product that could not be; answers how it is just before that.
    pub(crate) async fn retry_parked(
        &self,
        id: ProductId,
        call: Option<Call>,
    ) -> Result<Answer<ParkedProduct>, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            let missing = || ProductError::NotFound("parked product".to_owned());
            let parked = search::find_parked(connection, id.uuid())?
                .ok_or_else(missing)
                .or_refuse()?;
            editing::publish(connection, &[id.uuid()], now)?;
            Ok(parked)
        };
        let answer = self.db.once(SCHEMA, call, 202, now, work).await?;
        if let Answer::Fresh(parked) = &answer {
            self.show(vec![parked.product_id.uuid()]).await;
        }
        Ok(answer)
    }

    /// A page of the searches without a result.
    pub(crate) async fn list_misses(&self, query: MissQuery) -> Result<Page<SearchMiss>, ProductError> {
        let MissQuery { days, limit, cursor } = query;
        let list = format!("search/misses/{days}");
        let after: Option<(i64, String)> = self.opened(&list, cursor)?;
        let since = self.clock.now().date_naive() - TimeDelta::days(days - 1);
        let work = move |connection: &mut PgConnection| {
            Ok::<_, Failure<Fault>>(misses::page(connection, since, after, limit + 1)?)
        };
        let rows = self.db.run(work).await?;
        let place = |last: &SearchMiss| self.cursors.seal(&list, &(last.count, &last.query));
        Ok(Page::from_surplus(rows, limit, place))
    }

    /// Notes a search that found nothing. One that was narrowed by more than words says nothing about those.
    pub(super) fn note_miss(&self, query: &ListQuery, total: i64) {
        let Some(search) = &query.filter.search else { return };
        let plain = Filter {
            search: query.filter.search.clone(),
            today: query.filter.today,
            currency: query.filter.currency,
            locale: query.filter.locale.clone(),
            ..Filter::default()
        };
        if total == 0 && query.cursor.is_none() && query.filter == plain {
            self.misses.note(search, self.clock.now());
        }
    }

    /// The job that writes searches without a result down, many at a time.
    pub(crate) fn misses_job(&self) -> Job {
        let service = self.clone();
        Job::new("search-misses", EVERY, self.misses.wake().clone(), move || {
            let service = service.clone();
            async move { service.write_misses().await }
        })
    }

    async fn write_misses(&self) -> Result<Round, Fault> {
        let noted = self.misses.take();
        if noted.is_empty() {
            return Ok(Round::Idle);
        }
        let today = self.clock.now().date_naive();
        let rows = noted.clone();
        let work = move |connection: &mut PgConnection| {
            misses::prune(connection, today - TimeDelta::days(KEPT_DAYS - 1))?;
            Ok::<_, Failure<Fault>>(misses::add(connection, today, &rows)?)
        };
        if let Err(fault) = self.db.transaction(work).await {
            self.misses.put_back(noted);
            return Err(fault);
        }
        Ok(Round::Idle)
    }
}
