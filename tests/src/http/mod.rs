//! Services of HTTP with real parts around them: an application with sessions of its own, users with cookie jars,
//! and (`framing`) clients and backends that say byte for byte what they mean.

pub mod app;
pub mod certificate;
pub mod curl;
pub mod framing;
pub mod introduced;
pub mod keys;
pub mod nginx;
pub mod nodes;
pub mod scene;
pub mod socket;
pub mod user;

pub use self::{
    app::App,
    scene::Scene,
    user::{Answer, User},
};
