//! What staff say of words, for the search. All of it is written by one transaction at a time.

use database::{Failure, OrRefuse, outbox, refuse};
use diesel::PgConnection;
use kernel::event::Event;
use kernel::http::{Answer, Call, IfMatch};
use kernel::id::SynonymsId;
use kernel::page::Page;
use kernel::{Clock, FieldErrors};
use product_api::{ProductError, SearchSettingsChanged};
use uuid::Uuid;

use super::{Service, allow};
use crate::domain::SCHEMA;
use crate::domain::search_settings::{MAX_GROUPS, NewStopWords, NewSynonyms, StopWords, Synonyms, SynonymsPatch};
use crate::queries::search_settings;
use crate::search::{Search, words_of};

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// A page of the groups of synonyms.
    pub(crate) async fn list_synonyms(
        &self,
        limit: i64,
        cursor: Option<String>,
    ) -> Result<Page<Synonyms>, ProductError> {
        const LIST: &str = "search/synonyms";
        let after: Uuid = self.opened(LIST, cursor)?.unwrap_or_default();
        let rows = self
            .db
            .run(move |connection| Ok::<_, Failure<ProductError>>(search_settings::page(connection, after, limit + 1)?))
            .await?;
        Ok(Page::from_surplus(rows, limit, |last| {
            self.cursors.seal(LIST, &last.id.uuid())
        }))
    }

    /// A group of synonyms by its id.
    pub(crate) async fn find_synonyms(&self, id: SynonymsId) -> Result<Synonyms, ProductError> {
        self.db.run(move |connection| stored(connection, id)).await
    }

    /// Adds a group of synonyms.
    pub(crate) async fn create_synonyms(
        &self,
        new: NewSynonyms,
        call: Option<Call>,
    ) -> Result<Answer<Synonyms>, ProductError> {
        let (now, clock, search) = (self.clock.now(), self.clock.clone(), self.search.clone());
        let work = move |connection: &mut PgConnection| {
            let synonyms = Synonyms::new(new, now);
            check(&synonyms, &search)?;
            change(connection, &clock)?;
            if search_settings::count(connection)? >= MAX_GROUPS {
                let detail = format!("a shop has at most {MAX_GROUPS} groups of synonyms");
                return refuse(ProductError::Invalid(FieldErrors::one("", "too_many", detail)));
            }
            search_settings::insert(connection, &synonyms)?;
            Ok(synonyms)
        };
        let answer = self.db.once(SCHEMA, call, 201, now, work).await?;
        self.search.take_settings().await;
        Ok(answer)
    }

    /// Changes a group of synonyms.
    pub(crate) async fn update_synonyms(
        &self,
        id: SynonymsId,
        patch: SynonymsPatch,
        condition: IfMatch,
    ) -> Result<Synonyms, ProductError> {
        let (clock, search) = (self.clock.clone(), self.search.clone());
        let work = move |connection: &mut PgConnection| {
            change(connection, &clock)?;
            let before = stored(connection, id)?;
            allow(&condition, before.version)?;
            let after = before.patched(patch, clock.now());
            check(&after, &search)?;
            search_settings::update(connection, &after)?;
            Ok(after)
        };
        let changed = self.db.transaction(work).await?;
        self.search.take_settings().await;
        Ok(changed)
    }

    /// Removes a group of synonyms.
    pub(crate) async fn delete_synonyms(&self, id: SynonymsId, condition: IfMatch) -> Result<(), ProductError> {
        let clock = self.clock.clone();
        let work = move |connection: &mut PgConnection| {
            change(connection, &clock)?;
            allow(&condition, stored(connection, id)?.version)?;
            Ok(search_settings::delete(connection, id.uuid())?)
        };
        self.db.transaction(work).await?;
        self.search.take_settings().await;
        Ok(())
    }

    /// The stop words.
    pub(crate) async fn find_stop_words(&self) -> Result<StopWords, ProductError> {
        self.db
            .run(|connection| Ok::<_, Failure<ProductError>>(search_settings::stop_words(connection)?))
            .await
    }

    /// Replaces the stop words.
    pub(crate) async fn update_stop_words(
        &self,
        new: NewStopWords,
        condition: IfMatch,
    ) -> Result<StopWords, ProductError> {
        let words = new.into_words(words_of).map_err(ProductError::Invalid)?;
        let clock = self.clock.clone();
        let work = move |connection: &mut PgConnection| {
            change(connection, &clock)?;
            let before = search_settings::stop_words(connection)?;
            allow(&condition, before.version)?;
            let after = StopWords {
                words,
                version: before.version + 1,
            };
            search_settings::update_stop_words(connection, &after)?;
            Ok(after)
        };
        let changed = self.db.transaction(work).await?;
        self.search.take_settings().await;
        Ok(changed)
    }
}

/// Begins a change of what the search goes by, and tells of it.
pub(super) fn change(connection: &mut PgConnection, clock: &Clock) -> Work<()> {
    let revision = search_settings::hold(connection)?;
    let event = Event::of(&SearchSettingsChanged { revision }, clock.now());
    let event = event.map_err(ProductError::Fault).or_refuse()?;
    Ok(outbox::append(connection, SCHEMA, &event)?)
}

fn check(synonyms: &Synonyms, search: &Search) -> Work<()> {
    let stems_of = |text: &str| search.stems_of(text);
    synonyms.check(stems_of).map_err(ProductError::Invalid).or_refuse()
}

fn stored(connection: &mut PgConnection, id: SynonymsId) -> Work<Synonyms> {
    let missing = || ProductError::NotFound("group of synonyms".to_owned());
    search_settings::find(connection, id.uuid())?
        .ok_or_else(missing)
        .or_refuse()
}
