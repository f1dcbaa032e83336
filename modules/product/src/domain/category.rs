//! The tree of categories.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use kernel::id::CategoryId;
use kernel::patch::present;
use kernel::{Patch, Text};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::handle::Handle;
use super::translation::Alternate;

/// What separates the names of a path in files.
pub(crate) const SEPARATOR: &str = " > ";
/// How deep the tree may be.
pub(crate) const MAX_DEPTH: usize = 10;

/// A category.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Category {
    pub(crate) id: CategoryId,
    pub(crate) handle: String,
    pub(crate) name: String,
    pub(crate) parent_id: Option<CategoryId>,
    /// Names from the root to the category itself.
    pub(crate) path: Vec<String>,
    /// Where it stands among its siblings; equal ones go by name.
    pub(crate) position: i32,
    pub(crate) version: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
}

/// A category by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CategoryDetail {
    #[serde(flatten)]
    pub(crate) category: Category,
    /// The same page in the languages of the shop, where it speaks several; else left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) alternates: Option<Vec<Alternate>>,
}

/// A category with everything below it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CategoryNode {
    pub(crate) id: CategoryId,
    pub(crate) handle: String,
    pub(crate) name: String,
    pub(crate) parent_id: Option<CategoryId>,
    pub(crate) path: Vec<String>,
    pub(crate) position: i32,
    #[schema(no_recursion)]
    pub(crate) children: Vec<CategoryNode>,
}

/// The whole tree.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CategoryTree {
    /// The roots.
    pub(crate) data: Vec<CategoryNode>,
}

/// All categories, for staff.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CategoryList {
    pub(crate) data: Vec<Category>,
}

/// A category's name: text that cannot be taken for a path, nor for a part of another one where names are put together to a
/// path. Blanks around it are not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct CategoryName(String);

impl CategoryName {
    /// Checks a name.
    pub(crate) fn parse(text: impl Into<String>) -> Result<Self, String> {
        let text = Text::<1, 120>::parse(text.into().trim())
            .map_err(|error| error.to_string())?
            .into_string();
        if text.contains(SEPARATOR) {
            return Err(format!("invalid_name: must not contain `{SEPARATOR}`"));
        }
        if text.starts_with('>') || text.ends_with('>') {
            return Err("invalid_name: must not begin or end with `>`".to_owned());
        }
        Ok(Self(text))
    }

    /// The names of a path as files have it: `Computers > Laptops`.
    pub(crate) fn parse_path(text: &str) -> Result<Vec<Self>, String> {
        let names: Vec<Self> = text.split(SEPARATOR).map(Self::parse).collect::<Result<_, _>>()?;
        if names.len() > MAX_DEPTH {
            return Err(format!("too_deep: at most {MAX_DEPTH} levels"));
        }
        Ok(names)
    }

    /// The name itself.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CategoryName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A new category.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCategory {
    pub(crate) name: CategoryName,
    /// Made from the name where it is not given.
    #[serde(default)]
    pub(crate) handle: Option<Handle>,
    #[serde(default)]
    pub(crate) parent_id: Option<CategoryId>,
    #[serde(default)]
    pub(crate) position: i32,
}

/// Changes of a category.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CategoryPatch {
    #[serde(default, deserialize_with = "present")]
    pub(crate) name: Option<CategoryName>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) handle: Option<Handle>,
    /// `null`: becomes a root.
    #[serde(default)]
    #[schema(value_type = Option<CategoryId>)]
    pub(crate) parent_id: Patch<CategoryId>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) position: Option<i32>,
}

/// A category as the database has it.
#[derive(Clone, Debug)]
pub(crate) struct StoredCategory {
    pub(crate) category: Category,
    /// Ids from the root to the category itself.
    pub(crate) ancestors: Vec<Uuid>,
}

/// The nodes of the tree, roots first; `categories` are in the order in which siblings are to stand.
pub(crate) fn tree(categories: Vec<Category>) -> CategoryTree {
    let mut children: HashMap<Option<CategoryId>, Vec<Category>> = HashMap::new();
    for category in categories {
        children.entry(category.parent_id).or_default().push(category);
    }
    CategoryTree {
        data: nodes(None, &mut children),
    }
}

fn nodes(parent: Option<CategoryId>, children: &mut HashMap<Option<CategoryId>, Vec<Category>>) -> Vec<CategoryNode> {
    let found = children.remove(&parent).unwrap_or_default();
    let node = |category: Category| CategoryNode {
        children: nodes(Some(category.id), children),
        id: category.id,
        handle: category.handle,
        name: category.name,
        parent_id: category.parent_id,
        path: category.path,
        position: category.position,
    };
    found.into_iter().map(node).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_a_few_names() {
        let names = CategoryName::parse_path("Computers > Laptops").unwrap();
        assert_eq!(
            names.iter().map(CategoryName::as_str).collect::<Vec<_>>(),
            ["Computers", "Laptops"]
        );
        assert!(CategoryName::parse_path("Cables >5m").is_ok());
        for bad in ["", " > ", "A >  > B", "A > > B", &["x"; 11].join(" > ")] {
            assert!(CategoryName::parse_path(bad).is_err(), "{bad}");
        }
        for bad in ["A > B", "A >", ">", "> A", " >A ", " "] {
            assert!(CategoryName::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_path_is_read_as_the_names_that_it_was_written_of(texts in proptest::collection::vec("[A> \u{a0}]{1,6}", 1..5)) {
            let names: Vec<CategoryName> = texts.iter().filter_map(|text| CategoryName::parse(text.as_str()).ok()).collect();
            let path: Vec<&str> = names.iter().map(CategoryName::as_str).collect();
            prop_assume!(!names.is_empty());
            prop_assert_eq!(CategoryName::parse_path(&path.join(SEPARATOR)), Ok(names));
        }
    }

    #[test]
    fn the_tree_has_every_category_once() {
        let category = |id: u128, parent: Option<u128>| Category {
            id: Uuid::from_u128(id).into(),
            handle: id.to_string(),
            name: id.to_string(),
            parent_id: parent.map(|parent| Uuid::from_u128(parent).into()),
            path: vec![],
            position: 0,
            version: 1,
            created_at: DateTime::default(),
            updated_at: DateTime::default(),
        };
        let tree = tree(vec![
            category(1, None),
            category(2, Some(1)),
            category(3, Some(2)),
            category(4, None),
        ]);
        assert_eq!(tree.data.len(), 2);
        assert_eq!(tree.data[0].children[0].children[0].name, "3");
    }
}
