//! What products of a file are known by. Each name may stand in a file once: a second row would undo the first, and a dry
//! run, which keeps nothing, could not tell what a real one makes of it.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::import::{ImportError, ImportedProduct, WrongRow};

/// The most names of a file. A million of them take some 25 megabytes; this many belong to a million products.
const MAX_NAMES: usize = 3_500_000;

/// The digest of a name: names themselves would take several times the memory.
pub(crate) type Digest = [u8; 16];

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ExternalId,
    Handle,
    Sku,
}

/// The names of the rows so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// On which lines they stand.
    given: HashMap<Digest, u32>,
    /// What products had before, and have no longer.
    released: HashSet<Digest>,
}

/// Names that rows got or lost although they do not say so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Implied {
    /// Each with the line of its row.
    pub(crate) given: Vec<(Digest, u64)>,
    pub(crate) released: Vec<Digest>,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ExternalId => "id",
            Self::Handle => "handle",
            Self::Sku => "SKU",
        }
    }

    /// The digest of a name of this kind.
    pub(super) fn digest(self, name: &str) -> Digest {
        xxh3_128([self.name(), "\0", name].concat().as_bytes()).to_be_bytes()
    }
}

impl Names {
    /// Takes the names that a row states; `Ok(Err(..))` where one of them stands in the file already.
    ///
    /// # Errors
    ///
    /// Where they are more than can be remembered.
    pub(super) fn admit(&mut self, product: &ImportedProduct) -> Result<Result<(), WrongRow>, ImportError> {
        let line = short(product.line);
        let mut own = Vec::new();
        for (kind, name, pointer) in stated(product) {
            let digest = kind.digest(name);
            match self.given.get(&digest) {
                Some(known) if *known != line => {
                    let (kind, known) = (kind.name(), *known);
                    let detail = format!("the {kind} `{name}` stands on line {known} already");
                    return Ok(Err(WrongRow::new(product.line, &pointer, "duplicate", detail)));
                }
                _ => own.push(digest),
            }
        }
        if self.given.len() + own.len() > MAX_NAMES {
            return Err(ImportError::TooLarge(MAX_NAMES));
        }
        self.given.extend(own.into_iter().map(|digest| (digest, line)));
        Ok(Ok(()))
    }

    /// On which line a name stands.
    pub(super) fn line_of(&self, digest: &Digest) -> Option<u64> {
        self.given.get(digest).copied().map(u64::from)
    }

    /// Whether a name is free for others since a row of this file.
    pub(super) fn is_released(&self, digest: &Digest) -> bool {
        self.released.contains(digest)
    }

    /// Remembers what rows have not said themselves.
    pub(super) fn learn(&mut self, implied: Implied) {
        let given = implied.given.into_iter().map(|(digest, line)| (digest, short(line)));
        self.given.extend(given);
        self.released.extend(implied.released);
    }
}

impl Implied {
    /// As the database keeps them: whether it was released, the digest, the line.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (bool, Uuid, i64)> {
        let line = |line: u64| i64::try_from(line).unwrap_or(i64::MAX);
        let given = self.given.iter();
        let given = given.map(move |(digest, at)| (false, Uuid::from_bytes(*digest), line(*at)));
        given.chain(self.released.iter().map(|digest| (true, Uuid::from_bytes(*digest), 0)))
    }

    /// The same, read back.
    pub(crate) fn from_rows(rows: Vec<(bool, Uuid, i64)>) -> Self {
        let mut implied = Self::default();
        for (released, digest, line) in rows {
            match released {
                true => implied.released.push(digest.into_bytes()),
                false => implied
                    .given
                    .push((digest.into_bytes(), u64::try_from(line).unwrap_or(0))),
            }
        }
        implied
    }
}

/// The names that a row states, each with a pointer to it.
fn stated(product: &ImportedProduct) -> impl Iterator<Item = (Kind, &str, String)> {
    let id = product.external_id.as_deref();
    let id = id.map(|id| (Kind::ExternalId, id, "/id".to_owned()));
    let handle = product.handle.as_ref();
    let handle = handle.map(|handle| (Kind::Handle, handle.as_str(), "/handle".to_owned()));
    let variants = product.variants.iter().flatten().enumerate();
    let skus = variants.filter_map(|(index, variant)| {
        let sku = variant.sku.as_deref()?;
        Some((Kind::Sku, sku, format!("/variants/{index}/sku")))
    });
    id.into_iter().chain(handle).chain(skus)
}

/// Lines as they are remembered; nothing depends on those after four thousand million.
fn short(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}
