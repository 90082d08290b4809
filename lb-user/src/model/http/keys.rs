//! `keys_file` of `[service.persistence.cookie]`.

use std::fs;

use crate::{
    config::{
        raw::{self, CookieMode, PersistBy},
        report::{At, Report},
    },
    secrets::{Keys, KeysError},
};

/// The keys in the file, where there is one and it has an effect.
pub(super) fn load(raw: &raw::Persistence, report: &Report<'_>) -> Option<Option<Keys>> {
    let seals = raw.cookie.mode.as_ref().is_some_and(|mode| mode.value != CookieMode::Learn);
    match &raw.cookie.keys_file {
        Some(path) if seals && raw.find(PersistBy::Cookie).is_some() => read(path, report).map(Some),
        _ => Some(None),
    }
}

fn read(path: &At<String>, report: &Report<'_>) -> Option<Keys> {
    let at = report.beside(&path.value);
    let name = at.display().to_string();
    let text = match fs::read(&at) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            let help = "name a file that this user can read, relative to the configuration's directory";
            report.error(&path.place, format!("cannot read {name}: {error}"), help);
            return None;
        }
    };
    let error = match Keys::parse(&text) {
        Ok(keys) => return Some(keys),
        Err(error) => error,
    };
    let help = "give one key a line: the first seals cookies, and all of them open cookies";
    match error {
        KeysError::Length { line, .. }
        | KeysError::Digit { line, .. }
        | KeysError::Duplicate { line, .. }
        | KeysError::TooMany { line } => report.error_in(&name, line, &path.place, error.to_string(), help),
        KeysError::Empty | KeysError::Short { .. } => {
            report.error(&path.place, format!("{name}: {error}"), help);
        }
    }
    None
}
