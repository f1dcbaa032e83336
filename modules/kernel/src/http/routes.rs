//! What no route takes. Actix answers 404 to a known path with a wrong method; this looks the path up in the OpenAPI
//! document and answers 405 with `Allow`, or what OPTIONS asks for.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use utoipa::openapi::OpenApi;
use utoipa::openapi::path::PathItem;

use crate::Problem;

/// The paths of the API and the methods of each.
pub struct RouteTable(Vec<Route>);

struct Route {
    /// The segments of the path; `None` takes any.
    segments: Vec<Option<String>>,
    methods: Vec<&'static str>,
}

/// Answers a request that no route took.
pub(crate) async fn answer_unrouted(
    request: HttpRequest,
    routes: web::Data<RouteTable>,
) -> Result<HttpResponse, Problem> {
    let answer = routes.answer(request.method(), request.path());
    answer.unwrap_or_else(|| Err(Problem::not_found("resource")))
}

impl RouteTable {
    /// The routes of a document.
    pub fn of(document: &OpenApi) -> Self {
        let documented = document
            .paths
            .paths
            .iter()
            .map(|(path, item)| (path.as_str(), methods_of(item)));
        let routes = documented.map(|(path, methods)| Route {
            segments: path.split('/').map(pattern).collect(),
            methods,
        });
        Self(routes.collect())
    }

    /// Adds paths that no document tells of.
    pub fn add<const N: usize>(&mut self, paths: [&str; N], method: &'static str) {
        let routes = paths.map(|path| Route {
            segments: path.split('/').map(pattern).collect(),
            methods: vec![method],
        });
        self.0.extend(routes);
    }

    /// What a path answers to a method that none of its routes takes; `None` where there is no such path.
    pub fn answer(&self, method: &Method, path: &str) -> Option<Result<HttpResponse, Problem>> {
        let allowed = self.allowed(path)?;
        if method == Method::OPTIONS {
            let answer = HttpResponse::NoContent()
                .insert_header((header::ALLOW, allowed))
                .finish();
            return Some(Ok(answer));
        }
        let detail = format!("this resource knows {allowed}");
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail);
        Some(Err(problem.with_header(header::ALLOW, allowed)))
    }

    /// The value of `Allow` for a path; `None` where there is no such resource.
    fn allowed(&self, path: &str) -> Option<String> {
        let segments: Vec<&str> = path.split('/').collect();
        let known: Vec<&str> = self
            .0
            .iter()
            .filter(|route| route.matches(&segments))
            .flat_map(|route| route.methods.iter().copied())
            .collect();
        if known.is_empty() {
            return None;
        }
        let implied = |method: &str| match method {
            "OPTIONS" => true,
            "HEAD" => known.contains(&"GET"),
            method => known.contains(&method),
        };
        let order = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        Some(
            order
                .into_iter()
                .filter(|method| implied(method))
                .collect::<Vec<_>>()
                .join(", "),
        )
    }
}

impl Route {
    fn matches(&self, segments: &[&str]) -> bool {
        self.segments.len() == segments.len()
            && self.segments.iter().zip(segments).all(|(wanted, found)| match wanted {
                Some(wanted) => wanted == found,
                None => !found.is_empty(),
            })
    }
}

fn pattern(segment: &str) -> Option<String> {
    (!segment.starts_with('{')).then(|| segment.to_owned())
}

fn methods_of(item: &PathItem) -> Vec<&'static str> {
    let operations = [
        ("GET", &item.get),
        ("POST", &item.post),
        ("PUT", &item.put),
        ("PATCH", &item.patch),
        ("DELETE", &item.delete),
    ];
    let known = operations.into_iter().filter(|(_, operation)| operation.is_some());
    known.map(|(method, _)| method).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use utoipa::openapi::path::{HttpMethod, Operation, PathsBuilder};
    use utoipa::openapi::{InfoBuilder, OpenApiBuilder};

    fn table() -> RouteTable {
        let item = |method| PathItem::new(method, Operation::new());
        let paths = PathsBuilder::new()
            .path("/api/v1/carts/current", item(HttpMethod::Get))
            .path("/api/v1/carts/{id}", item(HttpMethod::Patch))
            .path("/api/v1/carts", item(HttpMethod::Post));
        RouteTable::of(
            &OpenApiBuilder::new()
                .info(InfoBuilder::new().build())
                .paths(paths.build())
                .build(),
        )
    }

    #[test]
    fn a_path_allows_what_any_of_its_routes_takes() {
        let allowed = |path: &str| table().allowed(path);
        assert_eq!(allowed("/api/v1/carts").as_deref(), Some("POST, OPTIONS"));
        assert_eq!(allowed("/api/v1/carts/x").as_deref(), Some("PATCH, OPTIONS"));
        assert_eq!(
            allowed("/api/v1/carts/current").as_deref(),
            Some("GET, HEAD, PATCH, OPTIONS")
        );
    }

    #[test]
    fn an_unknown_path_allows_nothing() {
        for path in ["/", "/api/v1/carts/", "/api/v1/carts/x/y", "/api/v1", "/internal"] {
            assert_eq!(table().allowed(path), None, "{path}");
        }
    }
}
