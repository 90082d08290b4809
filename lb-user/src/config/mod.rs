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

use std::{net::IpAddr, path::Path};

use toml::de::DeTable;

pub use self::errors::{Error, Errors};
pub(crate) use self::values::hex;
use self::{
    reader::Reader,
    report::{Place, Report},
};
use crate::model::{self, Model};

/// A configuration file that is valid, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What it means.
    pub model: Model,
    name: String,
    text: String,
}

impl File {
    /// Of this text; `name` is how errors name it.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str, name: &str) -> Result<Self, Errors> {
        Ok(Self { model: parse(text, name)?, name: name.to_owned(), text: text.to_owned() })
    }

    /// What it would mean if it had more backends, by the same rules.
    ///
    /// # Errors
    /// All that would be wrong with it.
    pub fn with(&self, additions: &[Addition<'_>]) -> Result<Model, Errors> {
        parse_with(&self.text, &self.name, additions)
    }
}

/// A backend that a file does not have.
#[derive(Debug, Clone, Copy)]
pub struct Addition<'a> {
    /// Name of a service of the file.
    pub service: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Where it is.
    pub address: IpAddr,
    /// `None`: as for a backend of the file that says none.
    pub port: Option<u16>,
    /// Its share.
    pub weight: u32,
}

/// Reads and validates a configuration file.
///
/// # Errors
/// As [`read`].
pub fn load(path: &Path) -> Result<Model, Errors> {
    read(path).map(|file| file.model)
}

/// Reads and validates a configuration file, and keeps its text.
///
/// # Errors
/// All that is wrong with it; one error without a line if it can't be read.
pub fn read(path: &Path) -> Result<File, Errors> {
    let file = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Errors::unreadable(&file, &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => File::parse(&text, &file),
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
    parse_with(text, file, &[])
}

fn parse_with(text: &str, file: &str, additions: &[Addition<'_>]) -> Result<Model, Errors> {
    let report = Report::new(file, text);
    match DeTable::parse(text) {
        Ok(table) => {
            let mut raw = raw::File::read(Reader::root(table.get_ref(), &report));
            additions.iter().for_each(|addition| raw.add(addition));
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
