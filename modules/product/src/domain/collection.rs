//! Collections: products that belong together, chosen by hand or by a rule.

use chrono::{DateTime, NaiveDate, Utc};
use kernel::id::{CollectionId, ProductId};
use kernel::patch::present;
use kernel::{FieldErrors, Patch};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::handle::Handle;
use super::listing::{Description, Title};
use super::merchandising::{NewSeo, Seo, SeoPatch};
use super::rule::Rule;
use super::translation::{Alternate, Handles};

/// The most products of a collection that are chosen by hand.
pub(crate) const MAX_CHOSEN: usize = 1_000;
/// The most collections that are filled by rules: each product that is written is compared with all of them.
pub(crate) const MAX_RULES: i64 = 500;

/// A collection as everybody sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Collection {
    pub(crate) id: CollectionId,
    pub(crate) handle: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) seo: Seo,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A collection as staff see it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct AdminCollection {
    #[serde(flatten)]
    pub(crate) collection: Collection,
    /// Whether everybody sees it.
    pub(crate) published: bool,
    /// Which products belong to it; `null` where they are chosen by hand.
    pub(crate) rule: Option<Rule>,
    /// How many products belong to it, whatever their status.
    pub(crate) product_count: i64,
    pub(crate) version: i64,
    /// What it is called in addresses of pages in other languages.
    #[serde(skip)]
    pub(crate) handles: Handles,
}

/// A collection by itself, as everybody sees it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct PublicCollection {
    #[serde(flatten)]
    pub(crate) collection: Collection,
    /// The same page in the languages of the shop, where it speaks several; else left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alternates: Option<Vec<Alternate>>,
}

/// A collection with the products that were chosen by hand.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct CollectionDetail {
    #[serde(flatten)]
    pub(crate) collection: AdminCollection,
    /// In their order; `null` where a rule decides.
    pub(crate) product_ids: Option<Vec<ProductId>>,
}

/// A new collection. With a `rule` it is filled by that, without one by hand; this never changes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCollection {
    #[schema(value_type = String)]
    pub(crate) title: Title,
    /// Made from the title where it is not given.
    #[serde(default)]
    pub(crate) handle: Option<Handle>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Option<Description>,
    #[serde(default)]
    pub(crate) seo: Option<NewSeo>,
    /// `true` where it is not given.
    #[serde(default)]
    pub(crate) published: Option<bool>,
    #[serde(default)]
    pub(crate) rule: Option<Rule>,
}

/// Changes of a collection.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CollectionPatch {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>)]
    pub(crate) title: Option<Title>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) handle: Option<Handle>,
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub(crate) description: Patch<Description>,
    /// Merged; `null` clears both fields.
    #[serde(default)]
    #[schema(value_type = Option<SeoPatch>)]
    pub(crate) seo: Patch<SeoPatch>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) published: Option<bool>,
    /// The whole rule; only where a rule decides.
    #[serde(default, deserialize_with = "present")]
    pub(crate) rule: Option<Rule>,
}

/// The products of a collection that are chosen by hand.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChosenProducts {
    /// All of them, in the order in which they are to stand; at most 1,000.
    pub(crate) product_ids: Vec<ProductId>,
}

/// A rule to try.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreviewedRule {
    pub(crate) rule: Rule,
}

/// What a rule would do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CollectionPreview {
    /// How many products it holds for, whatever their status.
    pub(crate) matching: i64,
}

/// A collection named by its id or its handle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CollectionReference {
    Id(Uuid),
    Handle(String),
}

impl CollectionReference {
    /// Whatever is no id is taken for a handle.
    pub(crate) fn parse(text: &str) -> Self {
        text.parse::<CollectionId>()
            .map_or_else(|_| Self::Handle(text.to_owned()), |id| Self::Id(id.uuid()))
    }
}

impl NewCollection {
    /// The collection that is asked for. `handle` is what was given or made.
    pub(crate) fn into_collection(self, handle: Handle, now: DateTime<Utc>) -> Result<AdminCollection, FieldErrors> {
        if let Some(rule) = &self.rule {
            rule.check()?;
        }
        Ok(AdminCollection {
            collection: Collection {
                id: CollectionId::generate(),
                handle: handle.into(),
                title: self.title.into_string(),
                description: self.description.map(String::from).unwrap_or_default(),
                seo: self.seo.map(Seo::from).unwrap_or_default(),
                created_at: now,
                updated_at: now,
            },
            published: self.published.unwrap_or(true),
            rule: self.rule,
            product_count: 0,
            version: 1,
            handles: Handles::default(),
        })
    }
}

impl CollectionPatch {
    /// The collection after the patch, with its next version.
    pub(crate) fn apply(self, before: AdminCollection, now: DateTime<Utc>) -> Result<AdminCollection, FieldErrors> {
        if let Some(rule) = &self.rule {
            if before.rule.is_none() {
                let detail = "the products of this collection are chosen by hand";
                return Err(FieldErrors::one("/rule", "not_allowed", detail));
            }
            rule.check()?;
        }
        let shown = before.collection;
        let description = self.description.map(String::from).apply(Some(shown.description));
        Ok(AdminCollection {
            collection: Collection {
                handle: self.handle.map_or(shown.handle, String::from),
                title: self.title.map_or(shown.title, String::from),
                description: description.unwrap_or_default(),
                seo: shown.seo.patched(self.seo),
                updated_at: now,
                ..shown
            },
            published: self.published.unwrap_or(before.published),
            rule: self.rule.or(before.rule),
            product_count: before.product_count,
            version: before.version + 1,
            handles: before.handles,
        })
    }
}

impl AdminCollection {
    /// The day that the collection was filled for, where time alone changes what belongs to it.
    pub(crate) fn refreshed_on(&self, today: NaiveDate) -> Option<NaiveDate> {
        self.rule.as_ref().filter(|rule| rule.depends_on_date()).map(|_| today)
    }
}
