//! Keys of cookies, in the file that labs' configurations name.

use std::fs;

use lb_user::lab::{
    Lab,
    config::{Cookie, Persistence},
};

/// The file, next to the configuration.
const FILE: &str = "cookie-keys";

/// Keys that all nodes of a test may have.
pub const KEYS: [&str; 3] = [
    "1111111111111111111111111111111111111111111111111111111111111111",
    "2222222222222222222222222222222222222222222222222222222222222222",
    "3333333333333333333333333333333333333333333333333333333333333333",
];

/// Writes them, the first one first.
pub fn write(lab: &Lab, keys: &[&str]) {
    fs::write(lab.directory().join(FILE), keys.join("\n")).expect("the lab has a directory");
}

/// By a cookie that is sealed with the keys in the file.
#[must_use]
pub fn cookie() -> Persistence {
    let cookie = Cookie { keys_file: Some(FILE.to_owned()), ..Cookie::default() };
    Persistence { cookie: Some(cookie), ..Persistence::by("cookie") }
}
