//! What is wrong with a configuration file: every error, in the order of the file.

use std::{fmt, io};

use serde::{Deserialize, Serialize};

/// One thing wrong with a configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error {
    /// The file as the caller named it.
    pub file: String,
    /// Line, from 1; `None` when the file could not be read at all.
    pub line: Option<usize>,
    /// Column in characters, from 1; `None` when the file could not be read at all, or is a list of lines.
    pub column: Option<usize>,
    /// The setting, such as `service "web" . backend "web-1" . port`; empty for the whole file.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, ":{number}")?;
        }
        write!(f, ": error: {}", self.message)?;
        if !self.key.is_empty() {
            write!(f, "\n  in: {}", self.key)?;
        }
        write!(f, "\n  help: {}", self.help)
    }
}

/// All that is wrong with a configuration file: at least one error, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Errors(Vec<Error>);

impl Errors {
    /// The one error of a file that could not be read.
    pub(super) fn unreadable(file: &str, error: &io::Error) -> Self {
        Self(vec![Error {
            file: file.to_owned(),
            line: None,
            column: None,
            key: String::new(),
            message: format!("cannot read the file: {error}"),
            help: "name a file that this user can read".to_owned(),
        }])
    }

    /// The errors of a file whose text could be read, sorted by where they stand; then those of the files
    /// that it names.
    pub(super) fn sorted(file: &str, mut errors: Vec<Error>) -> Self {
        // Stable: what was found first at one place stays first.
        let elsewhere = |error: &Error| (error.file != file).then(|| error.file.clone());
        errors.sort_by_cached_key(|error| (elsewhere(error), error.line, error.column));
        Self(errors)
    }

    /// The errors, in the order of the file.
    #[must_use]
    pub fn as_slice(&self) -> &[Error] {
        &self.0
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
