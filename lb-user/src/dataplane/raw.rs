//! Map values as bytes that aya may copy.

use aya::Pod;
use lb_common::state::Plain;

/// A plain value in a map's key or value position.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(super) struct Raw<T>(pub T);

// SAFETY: transparent over a type without padding, pointers or invalid bit patterns (`Plain`).
unsafe impl<T: Plain + Copy> Pod for Raw<T> {}
