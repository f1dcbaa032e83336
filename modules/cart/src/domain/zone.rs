//! Zones: parts of the world of which staff say how goods are sent, or taxed, there. Each is read and edited as a whole.

use chrono::{DateTime, Utc};
use kernel::FieldErrors;
use kernel::id::{Id, Kind};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What staff say of a zone, of one kind of zones.
pub(crate) trait ZoneContent: Serialize + DeserializeOwned + Send + 'static {
    /// What the ids of such zones identify.
    type Kind: Kind;
    /// What staff send for a new zone.
    type New: Send + 'static;
    /// What staff send to change one.
    type Patch: Send + 'static;
    /// A zone as the API shows it.
    type Shown: From<Zone<Self>> + Serialize + Send + 'static;

    /// What such a zone is called.
    const NAME: &'static str;
    /// The most of them in a shop.
    const MOST: i64;

    /// What a new zone says, once it is checked.
    fn new(new: Self::New) -> Result<Self, FieldErrors>;

    /// What it says after a merge patch, once that is checked.
    fn patched(self, patch: Self::Patch) -> Result<Self, FieldErrors>;
}

/// A zone.
#[derive(Clone, Debug)]
pub(crate) struct Zone<C: ZoneContent> {
    pub(crate) id: Id<C::Kind>,
    pub(crate) content: C,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

impl<C: ZoneContent> Zone<C> {
    /// A zone as staff want it.
    pub(crate) fn new(new: C::New, now: DateTime<Utc>) -> Result<Self, FieldErrors> {
        Ok(Self {
            id: Id::generate(),
            content: C::new(new)?,
            version: 1,
            created_at: now,
            updated_at: now,
        })
    }

    /// The same with changes.
    pub(crate) fn patched(self, patch: C::Patch, now: DateTime<Utc>) -> Result<Self, FieldErrors> {
        Ok(Self {
            content: self.content.patched(patch)?,
            version: self.version + 1,
            updated_at: now,
            ..self
        })
    }
}
