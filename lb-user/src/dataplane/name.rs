//! What the next daemon recognises a backend by.

use lb_common::state::{Backend, BackendId, Health, Plain};

/// Who a backend id belongs to: what the next daemon recognises it by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Name {
    service: [u8; 64],
    backend: [u8; 64],
}
// SAFETY: bytes only.
unsafe impl Plain for Name {}

impl Name {
    /// A name pair; each is at most 63 bytes, as the configuration demands.
    pub fn new(service: &str, backend: &str) -> Self {
        let field = |text: &str| {
            let mut field = [0; 64];
            field[..text.len()].copy_from_slice(text.as_bytes());
            field
        };
        Self { service: field(service), backend: field(backend) }
    }

    /// The service's name.
    pub fn service(&self) -> String {
        text(&self.service)
    }

    /// The backend's name.
    pub fn backend(&self) -> String {
        text(&self.backend)
    }
}

/// A backend, and the id that it gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewBackend {
    /// Its id.
    pub id: BackendId,
    /// Whose it is.
    pub name: Name,
    /// How to reach it.
    pub recipe: Backend,
    /// Its state.
    pub health: Health,
}

fn text(field: &[u8; 64]) -> String {
    String::from_utf8_lossy(field.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned()
}
