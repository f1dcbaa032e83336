//! What products of a file are known by. Each name may stand in a file once: a second row would undo the first, and a dry
//! run, which keeps nothing, could not tell what a real one makes of it.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::domain::bundle::VariantName;
use crate::import::{ImportError, ImportedProduct, WrongRow};

/// The most names of a file. A million of them take some 25 megabytes; a million products of which some have variants have
/// fewer.
const MAX_NAMES: usize = 5_000_000;

/// The digest of a name: names themselves would take several times the memory.
pub(crate) type Digest = [u8; 16];

/// What a name is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    ExternalId,
    Handle,
    Sku,
    /// A handle together with option values.
    Options,
}

/// The names of the rows so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// On which lines they stand.
    given: HashMap<Digest, u32>,
    /// What products had before, and have no longer.
    released: HashSet<Digest>,
    /// What the variants are known by that rows make bundles, and those that bundles are to consist of.
    bundles: HashSet<Digest>,
    components: HashSet<Digest>,
    /// The lines of rows that were left out after their names were taken.
    left_out: HashSet<u32>,
}

/// What rows do not say themselves: names that they got or lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Implied {
    /// Each with the line of its row.
    pub(crate) given: Vec<(Digest, u64)>,
    pub(crate) released: Vec<Digest>,
    /// The lines of rows that were left out.
    pub(crate) left_out: Vec<u64>,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::ExternalId => "id",
            Self::Handle => "handle",
            Self::Sku => "SKU",
            Self::Options => "options",
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
        let (mut bundles, mut components) = (HashSet::new(), HashSet::new());
        for (name, pointer) in names_of_bundles(product) {
            let digest = digest_of(&name);
            if self.components.contains(&digest) {
                let detail = format!("a bundle of another row consists of what has {name}");
                return Ok(Err(WrongRow::new(product.line, &pointer, "in_use", detail)));
            }
            bundles.insert(digest);
        }
        for (component, pointer) in named(product) {
            let digest = digest_of(component);
            if self.bundles.contains(&digest) || bundles.contains(&digest) {
                let detail = format!("{component}: a bundle in this file, which cannot be a part of another one");
                return Ok(Err(WrongRow::new(product.line, &pointer, "is_bundle", detail)));
            }
            components.insert(digest);
        }
        let new = own.len() + bundles.len() + components.len();
        if self.given.len() + self.bundles.len() + self.components.len() + new > MAX_NAMES {
            return Err(ImportError::TooLarge(MAX_NAMES));
        }
        self.given.extend(own.into_iter().map(|digest| (digest, line)));
        self.bundles.extend(bundles);
        self.components.extend(components);
        Ok(Ok(()))
    }

    /// Notes that a row was left out whose names were taken.
    pub(super) fn leave_out(&mut self, row: &WrongRow) {
        self.left_out.insert(short(row.line));
    }

    /// The line of the row that gives a variant this SKU, or a product this handle; none where it was left out.
    pub(super) fn written_by(&self, name: &VariantName) -> Option<u64> {
        let line = self.given.get(&digest_of_owner(name));
        line.filter(|line| !self.left_out.contains(line))
            .copied()
            .map(u64::from)
    }

    /// Whether a row has taken this SKU from a variant, or this handle from a product.
    pub(super) fn has_taken_away(&self, name: &VariantName) -> bool {
        self.is_released(&digest_of_owner(name))
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
        self.left_out.extend(implied.left_out.into_iter().map(short));
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
    let skus = skus(product).map(|(sku, pointer)| (Kind::Sku, sku, pointer));
    id.into_iter().chain(handle).chain(skus)
}

/// The SKUs of a row, each with a pointer to it.
fn skus(product: &ImportedProduct) -> impl Iterator<Item = (&str, String)> {
    let variants = product.variants.iter().flatten().enumerate();
    variants.filter_map(|(index, variant)| {
        let sku = variant.sku.as_deref()?;
        Some((sku, format!("/variants/{index}/sku")))
    })
}

/// What the bundles of a row are known by, each with a pointer to it.
fn names_of_bundles(product: &ImportedProduct) -> impl Iterator<Item = (VariantName, String)> {
    let variants = product.variants.iter().flatten().enumerate();
    let bundles = variants.filter(|(_, variant)| variant.is_bundle());
    bundles.flat_map(|(index, variant)| {
        let field = |name: &VariantName| match name {
            VariantName::Sku(_) => "sku",
            VariantName::Options(..) => "options",
        };
        let names = product.names_of(variant);
        names.map(move |name| {
            let pointer = format!("/variants/{index}/{}", field(&name));
            (name, pointer)
        })
    })
}

/// What the components are known by that a row names, each with a pointer to it.
fn named(product: &ImportedProduct) -> impl Iterator<Item = (&VariantName, String)> {
    let variants = product.variants.iter().flatten().enumerate();
    variants.flat_map(|(index, variant)| {
        let components = variant.components.iter().flatten().enumerate();
        components.map(move |(part, component)| {
            let field = component.variant.field();
            let pointer = format!("/variants/{index}/components/{part}/{field}");
            (&component.variant, pointer)
        })
    })
}

fn digest_of(name: &VariantName) -> Digest {
    match name {
        VariantName::Sku(sku) => Kind::Sku.digest(sku),
        VariantName::Options(handle, options) => {
            let values = options.iter().flat_map(|(name, value)| ["\0", name, "\0", value]);
            let text: String = std::iter::once(handle.as_str()).chain(values).collect();
            Kind::Options.digest(&text)
        }
    }
}

/// Of that by which it is known whose the variant is: rows do not give names to all variants without SKUs.
fn digest_of_owner(name: &VariantName) -> Digest {
    match name {
        VariantName::Sku(sku) => Kind::Sku.digest(sku),
        VariantName::Options(handle, _) => Kind::Handle.digest(handle),
    }
}

/// Lines as they are remembered; nothing depends on those after four thousand million.
fn short(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}
