//! Where a value stands in the file, and the collector of everything that is wrong with it.

use std::{
    cell::RefCell,
    ops::Range,
    path::{Path, PathBuf},
};

use super::errors::{Error, Errors};

/// Where the file says something: bytes for the line and column, a dotted key for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) span: Range<usize>,
    pub(crate) key: String,
}

impl Place {
    /// The place of a setting inside this one, at `span`.
    pub(crate) fn child(&self, key: &str, span: Range<usize>) -> Self {
        let key = if self.key.is_empty() { key.to_owned() } else { format!("{} . {key}", self.key) };
        Self { span, key }
    }
}

/// A value and where it comes from.
#[derive(Debug, Clone)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    /// Of the value; of the table that lacks it when the value is a default.
    pub(crate) place: Place,
    /// The file says it; otherwise it is the default.
    pub(crate) given: bool,
}

impl<T> At<T> {
    /// Another value at the same place.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), place: self.place, given: self.given }
    }

    /// A remark for messages about a value that the file does not show.
    pub(crate) fn remark(&self) -> &'static str {
        if self.given { "" } else { " (the default)" }
    }
}

/// Collects errors. Shared by all readers and rules, so that one bad value hides no other.
pub(crate) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    line_starts: Vec<usize>,
    errors: RefCell<Vec<Error>>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(after_breaks).collect();
        Self { file, text, line_starts, errors: RefCell::default() }
    }

    /// The line (from 1) of a place.
    pub(crate) fn line(&self, place: &Place) -> usize {
        self.line_starts.partition_point(|&start| start <= place.span.start)
    }

    /// The column (from 1, in characters) of a place.
    fn column(&self, place: &Place) -> usize {
        let start = self.line_starts[self.line(place) - 1];
        let before = self.text.as_bytes().get(start..place.span.start).unwrap_or_default();
        String::from_utf8_lossy(before).chars().count() + 1
    }

    /// Adds an error: what is wrong at `place`, and what to do.
    pub(crate) fn error(&self, place: &Place, message: impl Into<String>, help: impl Into<String>) {
        self.errors.borrow_mut().push(Error {
            file: self.file.to_owned(),
            line: Some(self.line(place)),
            column: Some(self.column(place)),
            key: place.key.clone(),
            message: message.into(),
            help: help.into(),
        });
    }

    /// Adds an error in a line of another file, which the configuration names at `place`.
    pub(crate) fn error_in(
        &self,
        file: &str,
        line: usize,
        place: &Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.errors.borrow_mut().push(Error {
            file: file.to_owned(),
            line: Some(line),
            column: None,
            key: place.key.clone(),
            message: message.into(),
            help: help.into(),
        });
    }

    /// Where a file is that the configuration names: beside it, unless the name says otherwise.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        Path::new(self.file).parent().unwrap_or(Path::new("")).join(name)
    }

    /// The outcome: `value` where nothing was wrong.
    ///
    /// # Panics
    /// When `value` is missing though no error says why; a reader or rule forgot to report.
    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Errors> {
        let errors = self.errors.into_inner();
        if errors.is_empty() {
            Ok(value.expect("a value is only left out with an error that says why"))
        } else {
            Err(Errors::sorted(self.file, errors))
        }
    }
}
