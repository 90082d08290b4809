//! The control plane.
pub mod health;
pub mod model;
pub mod neighbour;
pub mod slots;
