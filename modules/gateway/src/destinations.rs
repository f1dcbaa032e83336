//! Where requests go: each public prefix belongs to one module, which is here or elsewhere. What no module declares goes
//! nowhere.

use std::sync::Arc;

use kernel::http::api::BASE;
use kernel::http::context::{RouteName, UpstreamName};
use kernel::upstream::Upstream;

/// A module in other processes.
pub struct RemoteModule {
    /// The processes that serve it.
    pub upstream: Arc<Upstream>,
    /// The first segments of its paths, under `/api/v1` and under `/api/v1/admin`.
    pub prefixes: &'static [&'static str],
}

/// Where a request goes.
#[derive(Clone)]
pub(crate) enum Destination {
    /// To the modules of this process, which also answer for what no module has.
    Here,
    /// To a module elsewhere.
    Elsewhere(Arc<Upstream>),
}

/// The prefixes of the modules elsewhere.
pub(crate) struct Destinations {
    remote: Vec<RemoteModule>,
}

impl Destinations {
    pub(crate) fn new(remote: Vec<RemoteModule>) -> Self {
        Self { remote }
    }

    /// Where the resource at `path` is, which is in its one canonical form.
    pub(crate) fn of(&self, path: &str) -> Destination {
        let prefix = prefix(path);
        let found = prefix.and_then(|prefix| self.remote.iter().find(|module| module.prefixes.contains(&prefix)));
        found.map_or(Destination::Here, |module| {
            Destination::Elsewhere(Arc::clone(&module.upstream))
        })
    }

    /// What a request to `path` is called in logs and metrics where it belongs elsewhere, until its module says more: the
    /// upstream, and all routes of the module together.
    pub(crate) fn names(&self, path: &str) -> Option<(UpstreamName, RouteName)> {
        let prefix = prefix(path)?;
        let module = self.remote.iter().find(|module| module.prefixes.contains(&prefix))?;
        let staff = path.strip_prefix(BASE).is_some_and(|rest| rest.starts_with("/admin/"));
        let audience = if staff { "/admin" } else { "" };
        Some((
            UpstreamName(module.upstream.name().to_owned()),
            RouteName(format!("{BASE}{audience}/{prefix}/*").into()),
        ))
    }

    /// The modules elsewhere.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.remote.iter().map(|module| &module.upstream)
    }
}

/// The segment that says whose a path is.
pub(crate) fn prefix(path: &str) -> Option<&str> {
    let mut segments = path.strip_prefix(BASE)?.strip_prefix('/')?.split('/');
    match segments.next()? {
        "admin" => segments.next(),
        first => Some(first),
    }
}

#[cfg(test)]
mod tests {
    use kernel::upstream::Limits;

    use super::*;

    #[test]
    fn only_declared_prefixes_lead_elsewhere() {
        let upstream = Upstream::new("cart", &["http://127.0.0.1:1".to_owned()], Limits::default()).unwrap();
        let destinations = Destinations::new(vec![RemoteModule {
            upstream,
            prefixes: &["carts"],
        }]);
        for path in ["/api/v1/carts", "/api/v1/carts/x/items", "/api/v1/admin/carts"] {
            assert!(matches!(destinations.of(path), Destination::Elsewhere(_)), "{path}");
        }
        for path in [
            "/",
            "/api/v1",
            "/api/v1/",
            "/api/v1/cartsx",
            "/api/v1/products/carts",
            "/api/v2/carts",
            "/internal/cart/freeze",
            "/api/v1/internal/carts",
            "/api/v1/admin",
            "/readyz",
        ] {
            assert!(matches!(destinations.of(path), Destination::Here), "{path}");
        }
    }
}
