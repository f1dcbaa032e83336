//! The modules of this process, asked the way those of another are: by a request of their own.

use actix_http::{HttpMessage, Request, RequestHead};
use actix_service::boxed::{RcService, rc_service};
use actix_service::{IntoServiceFactory, Service, ServiceExt, ServiceFactory};
use actix_web::body::BoxBody;
use actix_web::dev::{AppConfig, Payload, ServiceResponse};
use actix_web::{Error, HttpResponse};
use kernel::http::Api;
use kernel::http::context::RouteName;
use kernel::identity::Caller;

/// The modules of this process as one worker has them.
#[derive(Clone)]
pub(crate) struct Here(RcService<Request, ServiceResponse<BoxBody>, Error>);

impl Here {
    /// Makes the modules ready in this worker.
    pub(crate) async fn of(api: Api) -> Result<Self, ()> {
        let service = api.app().into_factory().new_service(AppConfig::default()).await?;
        Ok(Self(rc_service(service.map(ServiceResponse::map_into_boxed_body))))
    }

    /// The answer to a request of `caller`, where the edge has found out who that is, and the route that gave it.
    pub(crate) async fn ask(
        &self,
        head: RequestHead,
        payload: Payload,
        caller: Option<Caller>,
    ) -> Result<(HttpResponse, Option<RouteName>), Error> {
        let mut request = Request::with_payload(payload);
        *request.head_mut() = head;
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
        let answer = self.0.call(request).await?;
        let route = answer
            .request()
            .match_pattern()
            .map(|pattern| RouteName(pattern.into()));
        Ok((answer.into_parts().1, route))
    }
}
