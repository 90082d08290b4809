//! The configuration file: TOML text in, a [`Model`] or every error out.
//!
//! `reader` walks the text's tables and collects what is wrong, `raw` says which keys there are, and
//! [`crate::model`] judges how the values go together. A syntax error is reported alone: what follows
//! it can't be trusted.

pub(crate) mod defaults;
mod errors;
pub(crate) mod prefixes;
pub(crate) mod raw;
mod reader;
pub(crate) mod report;
mod values;
mod words;

#[cfg(test)]
mod tests;

use std::path::Path;

use toml::de::DeTable;

pub use self::errors::{Error, Errors};
pub(crate) use self::values::hex;
use self::{
    reader::Reader,
    report::{Place, Report},
};
use crate::model::{self, Model};

/// Reads and validates a configuration file.
///
/// # Errors
/// All that is wrong with it; one error without a line if it can't be read.
pub fn load(path: &Path) -> Result<Model, Errors> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Errors::unreadable(&file, &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => parse(&text, &file),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes());
            let report = Report::new(&file, &text);
            let place = Place { span: valid..valid, key: String::new() };
            report.error(&place, "this is not UTF-8 text", "save the file as UTF-8");
            report.finish(None)
        }
    }
}

/// Validates the text of a configuration; `file` is how errors name it, and other files lie beside it.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &str, file: &str) -> Result<Model, Errors> {
    let report = Report::new(file, text);
    match DeTable::parse(text) {
        Ok(table) => {
            let raw = raw::File::read(Reader::root(table.get_ref(), &report));
            let model = model::validate(&raw, &report);
            report.finish(model)
        }
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let place = Place { span, key: String::new() };
            report.error(&place, error.message(), "correct the TOML here; the rest was not checked");
            report.finish(None)
        }
    }
}
