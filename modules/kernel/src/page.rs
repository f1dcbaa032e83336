//! Lists in pages: a limit, an opaque authenticated cursor, and the envelope of the answer.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::FieldError;
use crate::keys::SecretKey;

/// How many rows a page has when the client does not say.
pub const DEFAULT_LIMIT: i64 = 20;
/// The most rows a page can have.
pub const MAX_LIMIT: i64 = 100;

/// One page of a list.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the list goes on.
    pub page: PageInfo,
}

/// Where a list goes on.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub struct PageInfo {
    /// For the next request's `cursor`; `null` on the last page.
    pub next_cursor: Option<String>,
    /// Whether there is another page.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page of at most `limit` rows out of `rows`, which the query read with a limit of `limit + 1`. `cursor_of` makes
    /// the cursor of the last row shown.
    pub fn from_surplus(mut rows: Vec<T>, limit: i64, cursor_of: impl FnOnce(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(0);
        let has_more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| has_more).map(cursor_of);
        Self {
            data: rows,
            page: PageInfo { next_cursor, has_more },
        }
    }

    /// The same page with every row converted.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page {
            data: self.data.into_iter().map(convert).collect(),
            page: self.page,
        }
    }
}

/// Makes and reads cursors: a position sealed together with the filter and sort that it belongs to, so that a forged
/// cursor, or one from another list, is refused.
#[derive(Clone)]
pub struct Cursors {
    key: SecretKey,
}

impl Cursors {
    /// Cursors under `keys.secret`.
    pub fn new(key: SecretKey) -> Self {
        Self { key }
    }

    /// The opaque cursor of `position` in the list that `list` describes (its name, filter and sort).
    pub fn seal<P: Serialize>(&self, list: &str, position: &P) -> String {
        let body = serde_json::to_vec(position).unwrap_or_default();
        let tag = self.tag(list, &body);
        let sealed = [tag.as_slice(), body.as_slice()].concat();
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The position in a cursor that [`Cursors::seal`] made for the same list.
    pub fn open<P: DeserializeOwned>(&self, list: &str, cursor: &str) -> Result<P, FieldError> {
        let refuse = || FieldError::new("cursor", "invalid_cursor", "not a cursor of this list");
        let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refuse())?;
        let (tag, body) = sealed.split_at_checked(TAG_LENGTH).ok_or_else(refuse)?;
        if !bool::from(subtle::ConstantTimeEq::ct_eq(tag, self.tag(list, body).as_slice())) {
            return Err(refuse());
        }
        serde_json::from_slice(body).map_err(|_| refuse())
    }

    fn tag(&self, list: &str, body: &[u8]) -> Vec<u8> {
        self.key.mac("cursor", &[list.as_bytes(), body])[..TAG_LENGTH].to_vec()
    }
}

/// 128 bits are plenty for something that opens nothing by itself.
const TAG_LENGTH: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_in_the_list_it_was_made_for() {
        let cursors = Cursors::new(SecretKey::generate());
        let cursor = cursors.seal("products?sort=price", &(7, "x".to_owned()));
        assert_eq!(
            cursors.open::<(i32, String)>("products?sort=price", &cursor).unwrap(),
            (7, "x".to_owned())
        );
        assert!(cursors.open::<(i32, String)>("products?sort=title", &cursor).is_err());
        assert!(
            Cursors::new(SecretKey::generate())
                .open::<(i32, String)>("products?sort=price", &cursor)
                .is_err()
        );
    }

    #[test]
    fn a_forged_or_cut_cursor_is_refused() {
        let cursors = Cursors::new(SecretKey::generate());
        let cursor = cursors.seal("list", &1);
        for forged in ["", "a", "%%%", &cursor[..cursor.len() - 1], &format!("{cursor}A")] {
            assert!(cursors.open::<i32>("list", forged).is_err(), "{forged}");
        }
    }

    #[test]
    fn a_page_knows_whether_another_follows() {
        let full = Page::from_surplus(vec![1, 2, 3], 2, i32::to_string);
        assert_eq!(
            (full.data, full.page.next_cursor.as_deref(), full.page.has_more),
            (vec![1, 2], Some("2"), true)
        );
        let last = Page::from_surplus(vec![1, 2], 2, i32::to_string);
        assert_eq!((last.page.next_cursor, last.page.has_more), (None, false));
    }
}
