//! What stands for the gateway in a binary without it: a type of which there is no value.

use std::convert::Infallible;

use actix_web::body::BoxBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::{App, Error};
use kernel::job::Job;

/// No gateway.
#[derive(Clone)]
pub struct Gateway(Infallible);

impl Gateway {
    /// Never called: there is no gateway to call it on.
    pub fn app(
        &self,
    ) -> App<
        impl ServiceFactory<ServiceRequest, Config = (), Response = ServiceResponse<BoxBody>, Error = Error, InitError = ()>
        + use<>,
    > {
        App::new()
    }

    /// Never called: there is no gateway to call it on.
    pub fn jobs(&self) -> Vec<Job> {
        match self.0 {}
    }
}
