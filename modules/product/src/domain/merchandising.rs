//! What merchants decide about a product beside what it is: its type, when it is shown, what search engines read, and how
//! it is taxed.

use chrono::{DateTime, Datelike, Utc};
use kernel::id::ProductTypeId;
use kernel::text::Prose;
use kernel::{FieldErrors, Patch, Text};
use product_api::TaxClass;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::product::Status;
use super::tax_class::ImportedTaxClass;

/// A title for search engines.
pub(crate) type SeoTitle = Text<1, 200>;
/// A description for search engines.
pub(crate) type SeoDescription = Prose<1, 500>;

/// What is decided about a product.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Merchandising {
    pub(crate) product_type: Option<Uuid>,
    pub(crate) seo: Seo,
    pub(crate) publish_at: Option<DateTime<Utc>>,
    pub(crate) unpublish_at: Option<DateTime<Utc>>,
    pub(crate) tax_class: TaxClass,
}

/// What search engines are to read; where it is `null`, the title and the description do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Seo {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
}

/// What search engines are to read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSeo {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) title: Option<SeoTitle>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Option<SeoDescription>,
}

/// Changes of what search engines are to read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SeoPatch {
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) title: Patch<SeoTitle>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Patch<SeoDescription>,
}

/// What a row of an import file says; what it does not say stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ImportedMerchandising {
    /// The handle of a product type.
    pub(crate) product_type: Option<String>,
    pub(crate) seo: Option<Seo>,
    pub(crate) publish_at: Option<DateTime<Utc>>,
    pub(crate) unpublish_at: Option<DateTime<Utc>>,
    pub(crate) tax_class: ImportedTaxClass,
}

impl Merchandising {
    /// What a new product begins with.
    pub(crate) fn new(
        product_type: Option<ProductTypeId>,
        seo: Option<NewSeo>,
        publish_at: Option<DateTime<Utc>>,
        unpublish_at: Option<DateTime<Utc>>,
        tax_class: Option<TaxClass>,
    ) -> Self {
        Self {
            product_type: product_type.map(ProductTypeId::uuid),
            seo: seo.map(Seo::from).unwrap_or_default(),
            publish_at: publish_at.map(stored),
            unpublish_at: unpublish_at.map(stored),
            tax_class: tax_class.unwrap_or_default(),
        }
    }

    /// Checks the times.
    pub(crate) fn check(&self, errors: &mut FieldErrors) {
        for (pointer, time) in [("/publish_at", self.publish_at), ("/unpublish_at", self.unpublish_at)] {
            if time.is_some_and(|time| !(1..=9999).contains(&time.year())) {
                errors.add(pointer, "out_of_range", "must be in a year from 1 to 9999");
            }
        }
        if matches!((self.publish_at, self.unpublish_at), (Some(start), Some(end)) if start >= end) {
            errors.add("/unpublish_at", "out_of_range", "must be after publish_at");
        }
    }

    /// Carries out what is due at `now`: answers the status that a product with `status` gets, and forgets the times that
    /// have led to it, so that they are acted on once.
    pub(crate) fn carry_out(&mut self, status: Status, now: DateTime<Utc>) -> Status {
        let is_due = |time: Option<DateTime<Utc>>| time.is_some_and(|time| time <= now);
        let mut status = status;
        if status == Status::Draft && is_due(self.publish_at) {
            status = Status::Active;
            self.publish_at = None;
        }
        if status == Status::Active && is_due(self.unpublish_at) {
            status = Status::Archived;
            self.unpublish_at = None;
        }
        status
    }

    /// What a row says over what there is. Its product type is the database's to find.
    pub(crate) fn import(&mut self, row: &ImportedMerchandising) {
        if let Some(seo) = &row.seo {
            self.seo.clone_from(seo);
        }
        self.publish_at = row.publish_at.map(stored).or(self.publish_at);
        self.unpublish_at = row.unpublish_at.map(stored).or(self.unpublish_at);
        self.tax_class = row.tax_class.over(std::mem::take(&mut self.tax_class));
    }
}

impl Seo {
    /// Whether nothing is said.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What is said after a patch.
    pub(crate) fn patched(self, patch: Patch<SeoPatch>) -> Self {
        match patch {
            Patch::Keep => self,
            Patch::Clear => Self::default(),
            Patch::Set(patch) => Self {
                title: patch.title.map(String::from).apply(self.title),
                description: patch.description.map(String::from).apply(self.description),
            },
        }
    }
}

impl From<NewSeo> for Seo {
    fn from(new: NewSeo) -> Self {
        Self {
            title: new.title.map(String::from),
            description: new.description.map(String::from),
        }
    }
}

/// A time as the database keeps it: to the microsecond, so that a product that is written again is the same, and without leap
/// seconds, of which each is the first of the next minute, so that two times that differ do so in the database as well.
pub(crate) fn stored(time: DateTime<Utc>) -> DateTime<Utc> {
    // There is such a time for all microseconds that were told of one.
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;
    use proptest::prelude::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
    }

    fn times(publish: Option<i64>, unpublish: Option<i64>) -> Merchandising {
        Merchandising {
            publish_at: publish.map(at),
            unpublish_at: unpublish.map(at),
            ..Merchandising::default()
        }
    }

    #[test]
    fn a_draft_is_published_at_its_time_and_not_before() {
        let mut product = times(Some(10), Some(20));
        assert_eq!(product.carry_out(Status::Draft, at(9)), Status::Draft);
        assert_eq!(product.carry_out(Status::Draft, at(10)), Status::Active);
        assert_eq!(product, times(None, Some(20)));
        assert_eq!(product.carry_out(Status::Active, at(20)), Status::Archived);
        assert_eq!(product, times(None, None));
    }

    #[test]
    fn a_product_whose_times_have_both_passed_is_archived_at_once() {
        assert_eq!(
            times(Some(10), Some(20)).carry_out(Status::Draft, at(30)),
            Status::Archived
        );
    }

    #[test]
    fn it_ends_after_it_begins() {
        let codes = |product: Merchandising| {
            let mut errors = FieldErrors::new();
            product.check(&mut errors);
            errors.as_slice().len()
        };
        assert_eq!((codes(times(Some(1), Some(2))), codes(times(Some(2), Some(2)))), (0, 1));
    }

    #[test]
    fn a_leap_second_is_the_first_of_the_next_minute() {
        let time = |text: &str| stored(text.parse().unwrap());
        assert_eq!(time("2026-12-31T23:59:60Z"), time("2027-01-01T00:00:00Z"));
        assert_eq!(time("2026-12-31T23:59:60.5Z"), time("2027-01-01T00:00:00.5Z"));
        let mut errors = FieldErrors::new();
        Merchandising::new(
            None,
            None,
            "2026-12-31T23:59:60Z".parse().ok(),
            "2027-01-01T00:00:00Z".parse().ok(),
            None,
        )
        .check(&mut errors);
        assert_eq!(errors.as_slice().len(), 1);
    }

    proptest! {
        #[test]
        fn a_time_as_it_is_kept_is_kept_as_it_is(seconds in -62_135_596_800_i64..253_402_300_800, nanos in 0..2_000_000_000_u32) {
            let Some(time) = DateTime::from_timestamp(seconds, nanos) else { return Ok(()) };
            let kept = stored(time);
            prop_assert_eq!(stored(kept), kept);
            prop_assert_eq!(kept.timestamp_micros(), time.timestamp_micros());
            prop_assert!(kept.timestamp_subsec_micros() < 1_000_000);
        }

        #[test]
        fn what_was_carried_out_is_not_carried_out_again(
            publish in proptest::option::of(0_i64..30), unpublish in proptest::option::of(0_i64..30), now in 0_i64..30,
        ) {
            for status in [Status::Draft, Status::Active, Status::Archived] {
                let mut product = times(publish, unpublish);
                let once = product.carry_out(status, at(now));
                let after = product.clone();
                prop_assert_eq!(product.carry_out(once, at(now)), once);
                prop_assert_eq!(product, after);
            }
        }
    }
}
