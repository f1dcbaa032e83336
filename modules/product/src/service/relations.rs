//! What is shown beside products.

use std::collections::HashMap;

use chrono::NaiveDate;
use database::{Failure, OrRefuse, refuse};
use diesel::PgConnection;
use kernel::http::IfMatch;
use kernel::id::ProductId;
use kernel::{Currency, FieldErrors};
use product_api::ProductError;
use uuid::Uuid;

use super::catalogue::visible;
use super::languages::tell;
use super::{Service, allow, editing};
use crate::domain::product::{Product, View};
use crate::domain::relation::{NewRelations, RelatedProduct, RelatedProducts, RelationKind, Relations};
use crate::domain::translation::Language;
use crate::queries::{arranged, categories, products, relations, writing};

type Work<T> = Result<T, Failure<ProductError>>;

impl Service {
    /// What everybody is shown beside an active product: active ones of `kinds`, of every kind where none is named.
    pub(crate) async fn list_related(
        &self,
        id_or_handle: String,
        kinds: Vec<RelationKind>,
        currency: Option<Currency>,
        language: Language,
    ) -> Result<RelatedProducts, ProductError> {
        let view = View::public(self.clock.now().date_naive(), self.shown_in(currency)?);
        let work = move |connection: &mut PgConnection| {
            let id = visible(connection, &id_or_handle, &language, view)?.0.id;
            let mut wanted = relations::find(connection, id.uuid())?;
            wanted.retain(|relation| kinds.is_empty() || kinds.contains(&relation.kind));
            let ids = wanted.iter().map(|relation| relation.product_id.uuid()).collect();
            let mut found = arranged::active_in_order(connection, ids, view)?;
            tell(connection, found.iter_mut(), &language.fallbacks)?;
            let found: HashMap<ProductId, Product> = found.into_iter().map(|product| (product.id, product)).collect();
            let shown = wanted.into_iter().filter_map(|relation| {
                Some(RelatedProduct {
                    kind: relation.kind,
                    product: found.get(&relation.product_id)?.clone(),
                })
            });
            Ok::<_, Failure<ProductError>>(RelatedProducts { data: shown.collect() })
        };
        self.db.run(work).await
    }

    /// What stands beside a product, for staff.
    pub(crate) async fn find_relations(&self, id: ProductId) -> Result<Relations, ProductError> {
        let today = self.clock.now().date_naive();
        self.db.run(move |connection| read(connection, id, today)).await
    }

    /// Decides what stands beside a product. This is an edit of the product.
    pub(crate) async fn update_relations(
        &self,
        id: ProductId,
        new: NewRelations,
        condition: IfMatch,
    ) -> Result<Relations, ProductError> {
        let now = self.clock.now();
        let work = move |connection: &mut PgConnection| {
            new.check(id).map_err(ProductError::Invalid).or_refuse()?;
            categories::hold_tree(connection)?;
            // All at once, in key order: two products that name each other would else wait in a circle. And none of them
            // can be deleted before it stands here.
            let related = new.related.iter().map(|relation| relation.product_id.uuid());
            let mut ids: Vec<Uuid> = related.chain([id.uuid()]).collect();
            ids.sort_unstable();
            ids.dedup();
            let locked = products::lock(connection, ids)?;
            let Some(own) = locked.iter().find(|stored| stored.id == id.uuid()) else {
                return refuse(missing());
            };
            allow(&condition, own.version)?;
            let mut errors = FieldErrors::new();
            for (index, relation) in new.related.iter().enumerate() {
                if !locked.iter().any(|stored| stored.id == relation.product_id.uuid()) {
                    let pointer = format!("/related/{index}/product_id");
                    errors.add(pointer, "not_found", "there is no such product");
                }
            }
            errors.into_result().map_err(ProductError::Invalid).or_refuse()?;
            relations::replace(connection, id.uuid(), &new.related)?;
            writing::raise_version(connection, id.uuid(), now)?;
            editing::publish(connection, &[id.uuid()], now)?;
            read(connection, id, now.date_naive())
        };
        let changed = self.db.transaction(work).await?;
        self.cache.outdate();
        Ok(changed)
    }
}

fn read(connection: &mut PgConnection, id: ProductId, today: NaiveDate) -> Work<Relations> {
    let product = products::find_admin(connection, id.uuid(), today)?
        .ok_or_else(missing)
        .or_refuse()?;
    Ok(Relations {
        product_id: id,
        related: relations::find(connection, id.uuid())?,
        version: product.version,
    })
}

fn missing() -> ProductError {
    ProductError::NotFound("product".to_owned())
}
