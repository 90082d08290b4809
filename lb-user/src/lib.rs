//! The control plane.
pub mod model;
