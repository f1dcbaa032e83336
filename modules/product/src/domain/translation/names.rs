//! Names of categories in another language. A path has names of several categories, each of which may be translated or not.

use std::collections::HashMap;

use kernel::id::CategoryId;
use uuid::Uuid;

use super::{CategoryTranslation, Handle};
use crate::domain::category::Category;

/// What is translated of a category and of the way that leads to it.
#[derive(Clone, Debug, Default)]
pub(crate) struct CategoryNames {
    /// Places of the way, counted from the root; the last one is the category itself.
    pub(crate) steps: HashMap<usize, CategoryTranslation>,
}

impl CategoryNames {
    /// Shows a category in this language.
    pub(crate) fn apply(&self, handle: &mut String, name: &mut String, path: &mut [String]) {
        let own = path.len().checked_sub(1).and_then(|last| self.steps.get(&last));
        if let Some(own) = own {
            show(own, handle, name);
        }
        for (place, shown) in path.iter_mut().enumerate() {
            if let Some(translated) = self.steps.get(&place).and_then(|step| step.name.as_ref()) {
                *shown = translated.to_string();
            }
        }
    }
}

/// Shows all categories in another language. `translations` are by the ids of categories.
pub(crate) fn localise_categories(categories: &mut [Category], translations: &HashMap<Uuid, CategoryTranslation>) {
    if translations.is_empty() {
        return;
    }
    let parents: HashMap<CategoryId, Option<CategoryId>> = categories
        .iter()
        .map(|category| (category.id, category.parent_id))
        .collect();
    for category in categories {
        let mut names = CategoryNames::default();
        let mut step = Some(category.id);
        for place in (0..category.path.len()).rev() {
            let Some(id) = step else { break };
            if let Some(translation) = translations.get(&id.uuid()) {
                names.steps.insert(place, translation.clone());
            }
            step = parents.get(&id).copied().flatten();
        }
        names.apply(&mut category.handle, &mut category.name, &mut category.path);
    }
}

fn show(translation: &CategoryTranslation, handle: &mut String, name: &mut String) {
    if let Some(translated) = translation.handle.as_ref().map(Handle::as_str) {
        translated.clone_into(handle);
    }
    if let Some(translated) = &translation.name {
        translated.as_str().clone_into(name);
    }
}
