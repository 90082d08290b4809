//! Backends that are judged as if the file had them.

use super::{Backend, File};
use crate::config::{
    Addition,
    report::{At, Place},
};

impl File {
    /// Adds a backend to its service, at whose place errors about it stand.
    pub(in crate::config) fn add(&mut self, addition: &Addition<'_>) {
        let named = |name: &Option<At<String>>| name.as_ref().is_some_and(|it| it.value == addition.service);
        let Some(service) = self.services.iter_mut().find(|service| named(&service.name)) else { return };
        let only_port = service.ports.as_ref().and_then(|ports| super::service::only_port(&ports.value));
        let only_port = only_port.filter(|_| !service.http.speaks_tls());
        let span = service.place.span.clone();
        let place = service.place.child(&format!("added backend {:?}", addition.name), span.clone());
        let child = |key: &str| place.child(key, span.clone());
        let backend = Backend {
            name: Some(at(addition.name.to_owned(), child("name"))),
            address: Some(at(addition.address, child("address"))),
            has_port: addition.port.is_some(),
            port: addition.port.or(only_port).map(|port| at(port, child("port"))),
            weight: Some(at(addition.weight, child("weight"))),
            has_server_id: false,
            server_id: None,
            place,
        };
        if let Some(backends) = &mut service.backends {
            backends.value.push(backend);
        }
    }
}

const fn at<T>(value: T, place: Place) -> At<T> {
    At { value, place, given: true }
}
