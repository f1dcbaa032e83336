//! What a list of products shows, and in which order.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use kernel::http::{FromQuery, QueryParameters};
use kernel::money::MAX_AMOUNT;
use kernel::{Currency, Locale};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::collection::CollectionReference;
use super::draft::CategoryReference;
use super::facet::{self, Facet};
use super::product::{Status, View};

/// The most attributes that one list is filtered by.
const MAX_ATTRIBUTES: usize = 10;

/// Which products are shown. Values of one field are alternatives, fields narrow each other.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Filter {
    pub(crate) audience: Audience,
    pub(crate) search: Option<String>,
    pub(crate) category_ids: Vec<Uuid>,
    pub(crate) category_handles: Vec<String>,
    pub(crate) collection_ids: Vec<Uuid>,
    pub(crate) collection_handles: Vec<String>,
    pub(crate) brands: Vec<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) price_min: Option<i64>,
    pub(crate) price_max: Option<i64>,
    /// The further currency whose prices the list goes by; the shop's own, or none at all, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) currency: Option<Currency>,
    /// The further language whose texts the list goes by; the shop's own, or none at all, where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) locale: Option<Locale>,
    pub(crate) in_stock: Option<bool>,
    /// The day on which this is asked: pre-orders end.
    #[serde(skip)]
    pub(crate) today: NaiveDate,
    pub(crate) attributes: BTreeMap<String, Vec<String>>,
}

/// Who looks: the public sees active products only.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) enum Audience {
    #[default]
    Public,
    /// Staff see products of every status, or of those named.
    Staff(Vec<Status>),
}

/// The order of a list. The id settles ties.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) enum Sort {
    /// Best match first; only with a search.
    Relevance,
    #[default]
    Newest,
    PriceAscending,
    PriceDescending,
    TitleAscending,
    TitleDescending,
}

/// Where a list goes on: the last product shown, by the value that it is sorted by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Position {
    /// In thousandths.
    Rank(u64, Uuid),
    Released(NaiveDate, Uuid),
    Price(i64, Uuid),
    Title(String, Uuid),
}

/// A request for a list of products.
#[derive(Clone, Debug)]
pub(crate) struct ListQuery {
    pub(crate) filter: Filter,
    pub(crate) sort: Sort,
    pub(crate) facets: Vec<Facet>,
    pub(crate) limit: i64,
    pub(crate) cursor: Option<String>,
    /// In which prices are shown; the shop's own where there is none.
    pub(crate) currency: Option<Currency>,
    /// Whether the words that were searched for are marked.
    pub(crate) highlight: bool,
}

/// The same for visitors, who may ask for a currency.
#[derive(Clone, Debug)]
pub(crate) struct PublicListQuery(pub(crate) ListQuery);

/// The same for staff, who may ask for a status.
#[derive(Clone, Debug)]
pub(crate) struct AdminListQuery(pub(crate) ListQuery);

impl ListQuery {
    /// Names the list for its cursors: a cursor holds for one filter and order only.
    pub(crate) fn name(&self) -> String {
        // What is counted besides decides over no product.
        let currency = self.filter.currency.filter(|_| self.is_listed_by_prices());
        let filter = Filter {
            currency,
            ..self.filter.clone()
        };
        format!("products/{:?}/{}", self.sort, filter.name())
    }

    /// How the products are shown.
    pub(crate) fn view(&self) -> View {
        match self.filter.audience {
            Audience::Public => View::public(self.filter.today, self.currency),
            Audience::Staff(_) => View::staff(self.filter.today),
        }
    }

    /// Whether prices decide what is shown, in which order, or what is counted.
    pub(crate) fn goes_by_prices(&self) -> bool {
        self.is_listed_by_prices() || self.facets.contains(&Facet::Price)
    }

    fn is_listed_by_prices(&self) -> bool {
        self.filter.price_min.is_some()
            || self.filter.price_max.is_some()
            || matches!(self.sort, Sort::PriceAscending | Sort::PriceDescending)
    }

    /// Whether texts decide what is shown or in which order.
    pub(crate) fn goes_by_texts(&self) -> bool {
        self.filter.search.is_some() || matches!(self.sort, Sort::TitleAscending | Sort::TitleDescending)
    }
}

impl Filter {
    /// Names what is shown, the same for equal filters.
    pub(crate) fn name(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl FromQuery for ListQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let search = parameters
            .text("q")
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty());
        let mut filter = Filter {
            search,
            brands: sorted(parameters.texts("brand")),
            tags: sorted(parameters.texts("tag")),
            price_min: parameters.integer("price_min", 0..=MAX_AMOUNT),
            price_max: parameters.integer("price_max", 0..=MAX_AMOUNT),
            in_stock: parameters.boolean("in_stock"),
            ..Filter::default()
        };
        for text in sorted(parameters.texts("category")) {
            match CategoryReference::parse(&text) {
                CategoryReference::Id(id) => filter.category_ids.push(id),
                CategoryReference::Handle(handle) => filter.category_handles.push(handle),
            }
        }
        for text in sorted(parameters.texts("collection")) {
            match CollectionReference::parse(&text) {
                CollectionReference::Id(id) => filter.collection_ids.push(id),
                CollectionReference::Handle(handle) => filter.collection_handles.push(handle),
            }
        }
        for (name, value) in parameters.prefixed("attr.") {
            filter.attributes.entry(name).or_default().push(value);
        }
        filter.attributes.values_mut().for_each(sort);
        if filter.attributes.len() > MAX_ATTRIBUTES {
            parameters.refuse("attr", "too_many", format!("at most {MAX_ATTRIBUTES} attributes"));
        }
        if matches!((filter.price_min, filter.price_max), (Some(min), Some(max)) if min > max) {
            parameters.refuse("price_max", "out_of_range", "must not be less than price_min");
        }
        let sort = read_sort(parameters, filter.search.is_some());
        let highlight = parameters.boolean("highlight").unwrap_or(false);
        if highlight && filter.search.is_none() {
            parameters.refuse("highlight", "not_allowed", "highlight needs q");
        }
        Self {
            filter,
            sort,
            facets: facet::read(parameters),
            limit: parameters.limit(),
            cursor: parameters.cursor(),
            currency: None,
            highlight,
        }
    }
}

impl FromQuery for PublicListQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        let currency = read_currency(parameters);
        let mut query = ListQuery::from_query(parameters);
        query.currency = currency;
        Self(query)
    }
}

/// The currency in which prices are wanted.
pub(crate) fn read_currency(parameters: &mut QueryParameters) -> Option<Currency> {
    let parsed = parameters.text("currency")?.parse();
    if parsed.is_err() {
        let detail = "not an ISO 4217 currency code in capital letters";
        parameters.refuse("currency", "unknown_currency", detail);
    }
    parsed.ok()
}

impl FromQuery for AdminListQuery {
    fn from_query(parameters: &mut QueryParameters) -> Self {
        const STATUSES: [Status; 3] = [Status::Active, Status::Draft, Status::Archived];
        let mut statuses = Vec::new();
        for text in sorted(parameters.texts("status")) {
            match STATUSES.into_iter().find(|status| status.name() == text) {
                Some(status) => statuses.push(status),
                None => parameters.refuse("status", "unknown_value", "must be one of active, draft, archived"),
            }
        }
        let mut query = ListQuery::from_query(parameters);
        query.filter.audience = Audience::Staff(statuses);
        Self(query)
    }
}

fn read_sort(parameters: &mut QueryParameters, searching: bool) -> Sort {
    const SORTS: [(&str, Sort); 6] = [
        ("relevance", Sort::Relevance),
        ("newest", Sort::Newest),
        ("price", Sort::PriceAscending),
        ("-price", Sort::PriceDescending),
        ("title", Sort::TitleAscending),
        ("-title", Sort::TitleDescending),
    ];
    let sort = parameters.choice("sort", &SORTS);
    if sort == Some(Sort::Relevance) && !searching {
        parameters.refuse("sort", "unknown_value", "relevance needs q");
    }
    sort.unwrap_or(if searching { Sort::Relevance } else { Sort::Newest })
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    sort(&mut texts);
    texts
}

fn sort(texts: &mut Vec<String>) {
    texts.sort_unstable();
    texts.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<ListQuery, kernel::Problem> {
        let mut parameters = QueryParameters::parse(query)?;
        let list = ListQuery::from_query(&mut parameters);
        parameters.finish()?;
        Ok(list)
    }

    #[test]
    fn a_search_is_sorted_by_relevance_and_everything_else_by_age() {
        assert_eq!(read("q=mouse").unwrap().sort, Sort::Relevance);
        assert_eq!(read("q=+").unwrap().sort, Sort::Newest);
        assert_eq!(read("").unwrap().sort, Sort::Newest);
        assert_eq!(read("q=mouse&sort=-price").unwrap().sort, Sort::PriceDescending);
    }

    #[test]
    fn nonsense_is_refused() {
        for query in [
            "sort=relevance",
            "highlight=true",
            "highlight=1&q=a",
            "sort=id",
            "sort=price,title",
            "price_min=-1",
            "price_min=1.5",
            "price_max=1e3",
            "price_min=5&price_max=4",
            "in_stock=1",
            "facets=colour",
            "facets=attr.",
            "status=draft",
            "offset=10",
        ] {
            assert!(read(query).is_err(), "{query}");
        }
        let many: Vec<String> = (0..11).map(|number| format!("attr.a{number}=1")).collect();
        assert!(read(&many.join("&")).is_err());
    }

    #[test]
    fn the_order_of_alternatives_does_not_matter_to_a_lists_name() {
        let name = |query: &str| read(query).unwrap().name();
        assert_eq!(name("brand=HP&brand=Acer"), name("brand=Acer&brand=HP"));
        assert_eq!(name("attr.a=1&attr.a=2"), name("attr.a=2&attr.a=1&attr.a=2"));
        assert_eq!(name("limit=5"), name("limit=6"));
        assert_ne!(name("brand=HP"), name("tag=HP"));
        assert_ne!(name("sort=price"), name("sort=-price"));
    }
}
