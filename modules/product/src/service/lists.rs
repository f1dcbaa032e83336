//! Lists of products: found by the search, shown as PostgreSQL has them.

use std::sync::Arc;

use database::{Failure, OrRefuse};
use diesel::PgConnection;
use kernel::page::PageInfo;
use kernel::{Currency, Fault, Money};
use product_api::ProductError;
use serde::{Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::Service;
use super::cache::Facets;
use crate::domain::draft::CategoryReference;
use crate::domain::facet::{Facet, FacetCounts, FacetValue, PriceBucket, PriceFacet};
use crate::domain::filter::{Audience, Filter, ListQuery, Position, Sort};
use crate::domain::number::NumberFacet;
use crate::domain::product::{AdminProduct, Product, Status};
use crate::domain::translation::Language;
use crate::queries::{categories, collections, lists};
use crate::search::{Count, Marks, Matches, Named, Question, Snapshot, id_key};

/// How often a page is filled up whose products turn out not to be as the index has them.
const ATTEMPTS: usize = 20;
/// The most categories of a facet.
const MAX_CATEGORIES: usize = 100;

type Work<T> = Result<T, Failure<ProductError>>;

/// A page of products.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProductList<T> {
    pub(crate) data: Vec<T>,
    pub(crate) page: PageInfo,
    pub(crate) total: Total,
    /// What `q` most likely means, where it has words that no product is written with. Products that are written so are
    /// shown already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) did_you_mean: Option<String>,
    /// Where no product has the words of `q` as they are required: `true`, and those that have at least one of them are
    /// shown. Left out everywhere else.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub(crate) relaxed: bool,
    /// By the facet's name, where `facets` asks for them.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "through")]
    #[schema(value_type = Option<BTreeMap<String, FacetCounts>>)]
    pub(crate) facets: Option<Arc<Facets>>,
}

/// Facets are shared with the cache, which serde need not know.
fn through<S: Serializer>(facets: &Option<Arc<Facets>>, serializer: S) -> Result<S::Ok, S::Error> {
    facets.as_deref().serialize(serializer)
}

/// How many there are on all pages.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Total {
    pub(crate) value: i64,
    /// Whether that was counted, not estimated.
    pub(crate) exact: bool,
}

/// What a list is looked up with.
struct Lookup {
    index: Snapshot,
    question: Question,
    matches: Matches,
    /// Whether the question finds what has any of its words.
    is_relaxed: bool,
}

impl Service {
    /// Active products.
    pub(crate) async fn list(
        &self,
        mut query: ListQuery,
        language: &Language,
    ) -> Result<ProductList<Product>, ProductError> {
        query.currency = self.shown_in(query.currency)?;
        query.filter.currency = query.currency.filter(|_| query.goes_by_prices());
        query.filter.locale = language.further().filter(|_| query.goes_by_texts());
        self.understand(&mut query.filter, language).await?;
        let (list, marks) = self.find_list(query).await?;
        let products = list.data.into_iter().map(|row| row.product).collect();
        let told = self.tell_products(products, language).await?;
        Ok(ProductList {
            data: marked(told, marks, |product| product).await?,
            page: list.page,
            total: list.total,
            did_you_mean: list.did_you_mean,
            relaxed: list.relaxed,
            facets: self.tell_facets(list.facets, language).await?,
        })
    }

    /// Whatever products the query's audience may see.
    pub(crate) async fn list_admin(&self, query: ListQuery) -> Result<ProductList<AdminProduct>, ProductError> {
        let (mut list, marks) = self.find_list(query).await?;
        list.data = marked(list.data, marks, |row| &mut row.product).await?;
        Ok(list)
    }

    /// The same, and what is to be marked in it, where that is asked for.
    async fn find_list(
        &self,
        mut query: ListQuery,
    ) -> Result<(ProductList<AdminProduct>, Option<Marks>), ProductError> {
        query.filter.today = self.clock.now().date_naive();
        let index = self.search.now().await?;
        let (service, asked) = (self.clone(), query.clone());
        // The index is asked on the pool's threads too: a search is as long as a statement, what it finds is read at once,
        // and there is one queue that tells when it is too much.
        let found = self.db.run(move |connection| {
            let (lookup, after) = look_up(connection, index, &service, &query)?;
            let (data, last, total) = page(connection, &lookup, &query, after)?;
            let facets = match query.facets.is_empty() {
                true => None,
                false => Some(service.count_facets(connection, &lookup, &query)?),
            };
            let page = PageInfo {
                has_more: last.is_some(),
                next_cursor: last.map(|position| {
                    let name = name(&query, &lookup.question, lookup.is_relaxed);
                    service.cursors.seal(&name, &position)
                }),
            };
            let list = ProductList {
                data,
                page,
                total: Total {
                    value: total,
                    exact: true,
                },
                did_you_mean: lookup.question.meant().map(str::to_owned),
                relaxed: lookup.is_relaxed && total > 0,
                facets,
            };
            let marks = if query.highlight { lookup.question.marks() } else { None };
            Ok((list, marks))
        });
        let (list, marks): (ProductList<AdminProduct>, _) = found.await?;
        // Nothing was found as it was asked for, whatever is shown instead.
        self.note_miss(&asked, if list.relaxed { 0 } else { list.total.value });
        Ok((list, marks))
    }

    fn count_facets(&self, connection: &mut PgConnection, lookup: &Lookup, query: &ListQuery) -> Work<Arc<Facets>> {
        let names: Vec<String> = query.facets.iter().map(Facet::name).collect();
        let key = format!(
            "{}/{names:?}/{}/{}",
            lookup.index.name(),
            lookup.is_relaxed,
            query.filter.name()
        );
        self.cache.facets(&key, || {
            let mut count = |facet| self.count(connection, lookup, query, facet);
            query
                .facets
                .iter()
                .map(|facet| Ok((facet.name(), count(facet)?)))
                .collect::<Work<_>>()
        })
    }

    fn count(
        &self,
        connection: &mut PgConnection,
        lookup: &Lookup,
        query: &ListQuery,
        facet: &Facet,
    ) -> Work<FacetCounts> {
        if *facet == Facet::Price {
            let currency = query.filter.currency.unwrap_or(self.currencies.main());
            return Ok(FacetCounts::Price(count_prices(lookup, currency)?));
        }
        if let Facet::Ranges(attribute) = facet {
            let counts = lookup.index.numbers(&lookup.matches, attribute).map_err(refused)?;
            return Ok(FacetCounts::Ranges(NumberFacet::of(counts)));
        }
        let counts = lookup.index.values(&lookup.matches, facet).map_err(refused)?;
        Ok(FacetCounts::Values(match facet {
            Facet::Category => named(connection, counts)?,
            Facet::Attribute(_) => {
                let value = |(json, count): Count| value(serde_json::from_str(&json).unwrap_or_default(), count);
                counts.into_iter().map(value).collect()
            }
            Facet::Brand | Facet::Price | Facet::Ranges(_) => counts
                .into_iter()
                .map(|(brand, count)| value(brand.into(), count))
                .collect(),
        }))
    }
}

fn count_prices(lookup: &Lookup, currency: Currency) -> Work<Option<PriceFacet>> {
    let money = |amount| Money::new(amount, currency);
    let prices = lookup.index.prices(&lookup.matches).map_err(refused)?;
    Ok(prices.map(|prices| PriceFacet {
        min: money(prices.min),
        max: money(prices.max),
        buckets: prices
            .buckets
            .into_iter()
            .map(|(first, last, count)| PriceBucket {
                min: money(first),
                max: money(last),
                count,
            })
            .collect(),
    }))
}

/// What is looked up, and where the list goes on. A question of which nothing is found is relaxed, and stays so on further
/// pages.
fn look_up(
    connection: &mut PgConnection,
    index: Snapshot,
    service: &Service,
    query: &ListQuery,
) -> Work<(Lookup, Option<Position>)> {
    let named = resolve(connection, &query.filter)?;
    let mut question = index.question(&query.filter, &named).map_err(refused)?;
    let open = |name: &str| service.opened(name, query.cursor.clone());
    let mut after = open(&name(query, &question, false));
    let mut is_relaxed = after.is_err() && question.relax();
    if is_relaxed {
        after = open(&name(query, &question, true));
    }
    let after = after.or_refuse()?;
    let mut matches = index.find(&question, query.sort).map_err(refused)?;
    if matches.is_empty() && after.is_none() && question.relax() {
        matches = index.find(&question, query.sort).map_err(refused)?;
        is_relaxed = true;
    }
    let lookup = Lookup {
        index,
        question,
        matches,
        is_relaxed,
    };
    Ok((lookup, after))
}

/// Names the list for its cursors. Ranks of one order say nothing in another, which what staff say of words makes of it.
fn name(query: &ListQuery, question: &Question, is_relaxed: bool) -> String {
    let name = match (query.sort, question.said()) {
        (Sort::Relevance, said) if !said.is_empty() => format!("{}/{said}", query.name()),
        _ => query.name(),
    };
    match is_relaxed {
        true => format!("{name}/relaxed"),
        false => name,
    }
}

/// Rows with what is to be marked in their products, where there is something to mark. Long texts take their time, which
/// nobody else has to wait for.
async fn marked<T: Send + 'static>(
    mut rows: Vec<T>,
    marks: Option<Marks>,
    product: fn(&mut T) -> &mut Product,
) -> Result<Vec<T>, Fault> {
    let Some(mut marks) = marks else { return Ok(rows) };
    let work = move || {
        marks.highlight(rows.iter_mut().map(product));
        rows
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Fault::internal(error.to_string()))
}

/// The ids of what `filter` names. Visitors see no collection that is not published.
fn resolve(connection: &mut PgConnection, filter: &Filter) -> Work<Named> {
    let handles = filter.category_handles.iter().cloned().map(CategoryReference::Handle);
    let ids = filter.category_ids.iter().copied().map(CategoryReference::Id);
    let found = categories::resolve(connection, ids.chain(handles).collect())?;
    let collections = match filter.collection_ids.is_empty() && filter.collection_handles.is_empty() {
        true => Vec::new(),
        false => {
            let (ids, handles) = (filter.collection_ids.clone(), filter.collection_handles.clone());
            let only_published = filter.audience == Audience::Public;
            collections::resolve(connection, ids, handles, only_published)?
        }
    };
    Ok(Named {
        categories: found.into_values().collect(),
        collections,
    })
}

/// A page of at most `query.limit` products after `after`, the position of the last one if more follow, and how many there
/// are in all. What has changed since it was indexed is left out where it does not belong here any more.
fn page(
    connection: &mut PgConnection,
    lookup: &Lookup,
    query: &ListQuery,
    mut after: Option<Position>,
) -> Work<(Vec<AdminProduct>, Option<Position>, i64)> {
    let limit = usize::try_from(query.limit).unwrap_or(0);
    let mut shown: Vec<(AdminProduct, Position)> = Vec::with_capacity(limit + 1);
    let mut total = 0;
    for attempt in 0..ATTEMPTS {
        let wanted = limit + 1 - shown.len();
        let found = lookup.index.page(&lookup.matches, after, wanted);
        let found = found.map_err(refused)?;
        if attempt == 0 {
            total = found.total;
        }
        let is_all = found.hits.len() < wanted;
        let ids = found.hits.iter().map(|(id, _)| *id).collect();
        let mut products = lists::by_ids(connection, ids, query.view())?;
        after = found.hits.last().map(|(_, position)| position.clone());
        for (id, position) in found.hits {
            if let Some(product) = products.remove(&id).filter(|product| belongs(product, &query.filter)) {
                shown.push((product, position));
            }
        }
        if is_all || shown.len() > limit {
            after = None;
            break;
        }
    }
    let has_more = shown.len() > limit;
    shown.truncate(limit);
    // Where everything seems to be sold out at this moment, the next page goes on behind what has been looked at.
    let last = match has_more {
        true => shown.last().map(|(_, position)| position.clone()),
        false => after,
    };
    Ok((shown.into_iter().map(|(product, _)| product).collect(), last, total))
}

/// Whether what changes often, or must not be seen, is as the filter wants it at this moment.
fn belongs(product: &AdminProduct, filter: &Filter) -> bool {
    let product = &product.product;
    let is_visible = match &filter.audience {
        Audience::Public => product.status == Status::Active,
        Audience::Staff(statuses) => statuses.is_empty() || statuses.contains(&product.status),
    };
    is_visible && filter.in_stock.is_none_or(|in_stock| product.in_stock == in_stock)
}

/// Categories by their handles and names, those with most products first, equal ones by handle.
fn named(connection: &mut PgConnection, counts: Vec<Count>) -> Work<Vec<FacetValue>> {
    let counts: std::collections::HashMap<String, i64> = counts.into_iter().collect();
    let known = categories::all(connection)?;
    let counted = known.into_iter().filter_map(|category| {
        let count = counts.get(&id_key(category.id.uuid()))?;
        Some(FacetValue {
            label: Some(category.name),
            ..value(category.handle.clone().into(), *count)
        })
    });
    let mut values: Vec<FacetValue> = counted.collect();
    values.sort_by(|one, other| {
        let handle = |value: &FacetValue| value.value.as_str().unwrap_or_default().to_owned();
        other
            .count
            .cmp(&one.count)
            .then_with(|| handle(one).cmp(&handle(other)))
    });
    values.truncate(MAX_CATEGORIES);
    Ok(values)
}

fn value(value: Value, count: i64) -> FacetValue {
    FacetValue {
        value,
        label: None,
        count,
    }
}

fn refused(fault: Fault) -> Failure<ProductError> {
    Failure::Refused(ProductError::Fault(fault))
}
