//! What operators order and ask, and what survives. One program, as for services of HTTP: two scenes at once have both CPUs.

mod backend;
mod drain;
mod explain;
mod moves;
mod plan;
mod sessions;
mod survival;
