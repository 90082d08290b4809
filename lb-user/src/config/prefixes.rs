//! Prefixes of access lists: listed in the configuration itself, or in files of their own.

use std::{fs, rc::Rc};

use ipnet::IpNet;

use super::{
    reader::Reader,
    report::{At, Place, Report},
    values,
};

/// After so many bad lines of a file the others are only counted.
const MOST_ERRORS: usize = 100;

/// A prefix and where it is listed.
pub(crate) struct Listed {
    pub(crate) net: IpNet,
    pub(crate) spot: Spot,
}

/// Where a prefix is listed.
pub(crate) enum Spot {
    /// In the configuration file.
    Here(Place),
    /// In a line of a file that the configuration names.
    Line(Rc<ListFile>, usize),
}

/// A file of prefixes.
pub(crate) struct ListFile {
    /// As errors name it.
    name: String,
    /// Where the configuration names it.
    place: Place,
}

impl Spot {
    /// Adds an error: what is wrong here, and what to do.
    pub(crate) fn error(&self, report: &Report<'_>, message: impl Into<String>, help: impl Into<String>) {
        match self {
            Self::Here(place) => report.error(place, message, help),
            Self::Line(file, line) => report.error_in(&file.name, *line, &file.place, message, help),
        }
    }

    /// In words, after `at `.
    pub(crate) fn words(&self, report: &Report<'_>) -> String {
        match self {
            Self::Here(place) => format!("line {}", report.line(place)),
            Self::Line(file, line) => format!("{}:{line}", file.name),
        }
    }
}

/// What the list under `key` and the file under `file_key` have together, `None` only where an error has
/// been reported; and the file's name.
pub(super) fn read(
    table: &mut Reader<'_>,
    key: &'static str,
    file_key: &'static str,
) -> (Option<Vec<Listed>>, Option<At<String>>) {
    let list = table.list(key, values::A_PREFIX, values::prefix).or(Vec::new());
    let file = table.string(file_key).given();
    let lines = file.as_ref().map_or(Some(Vec::new()), |path| read_file(path, table.report()));
    let here = |at: At<IpNet>| Listed { net: at.value, spot: Spot::Here(at.place) };
    let both = list.zip(lines).map(|(list, lines)| list.value.into_iter().map(here).chain(lines).collect());
    (both, file)
}

/// A prefix a line; `#` begins a comment.
fn read_file(path: &At<String>, report: &Report<'_>) -> Option<Vec<Listed>> {
    let at = report.beside(&path.value);
    let name = at.display().to_string();
    let bytes = match fs::read(&at) {
        Ok(bytes) => bytes,
        Err(error) => {
            let help = "name a file that this user can read, relative to the configuration's directory";
            report.error(&path.place, format!("cannot read {name}: {error}"), help);
            return None;
        }
    };
    let file = Rc::new(ListFile { name, place: path.place.clone() });
    let mut listed = Vec::new();
    let mut bad = 0;
    for (line, text) in (1..).zip(String::from_utf8_lossy(&bytes).lines()) {
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        let spot = Spot::Line(Rc::clone(&file), line);
        match values::prefix(text) {
            Ok(net) => listed.push(Listed { net, spot }),
            Err(message) => {
                bad += 1;
                if bad <= MOST_ERRORS {
                    spot.error(report, message, "give one address or prefix a line; # begins a comment");
                }
            }
        }
    }
    if bad > MOST_ERRORS {
        let message = format!("{} more lines of {} are no prefixes", bad - MOST_ERRORS, file.name);
        report.error(&path.place, message, "name a file with one address or prefix a line");
    }
    (bad == 0).then_some(listed)
}
