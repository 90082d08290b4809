//! A table of the file, read key by key.
//!
//! Asking for a key makes it known; what is left at [`Reader::finish`] is unknown. Every method reports
//! what is wrong and goes on, so that one pass over the file finds all that is wrong with it.

use std::{
    ops::{Range, RangeInclusive},
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    report::{At, Place, Report},
    values,
    words::{did_you_mean, either, is_later_value, nearest},
};

/// What the file says about a key.
pub(super) enum Field<T> {
    /// Nothing; the place is the table that lacks it.
    Absent(Place),
    /// Something wrong, which has been reported.
    Bad,
    /// This.
    Given(At<T>),
}

impl<T> Field<T> {
    /// The value or its default; `None` only where an error has been reported.
    pub(super) fn or(self, default: T) -> Option<At<T>> {
        match self {
            Self::Absent(place) => Some(At { value: default, place, given: false }),
            Self::Bad => None,
            Self::Given(at) => Some(at),
        }
    }

    /// The value or its default, which stands at the given place.
    pub(super) fn or_else(self, default: impl FnOnce(Place) -> T) -> Option<At<T>> {
        match self {
            Self::Absent(place) => Self::Absent(place.clone()).or(default(place)),
            Self::Bad => None,
            Self::Given(at) => Some(at),
        }
    }

    /// The value or its default, where that is known.
    pub(super) fn or_maybe(self, default: Option<T>) -> Option<At<T>> {
        match default {
            Some(default) => self.or(default),
            None => self.given(),
        }
    }

    /// As a list of nothing else.
    fn alone(self) -> Field<Vec<At<T>>> {
        match self {
            Self::Absent(place) => Field::Absent(place),
            Self::Bad => Field::Bad,
            Self::Given(at) => Field::Given(At { place: at.place.clone(), given: true, value: vec![at] }),
        }
    }

    /// The value, where the file has a good one.
    pub(super) fn given(self) -> Option<At<T>> {
        match self {
            Self::Absent(_) | Self::Bad => None,
            Self::Given(at) => Some(at),
        }
    }
}

/// How the file writes a key. Put into words only where it is missing: of a large file most time would go into that.
#[derive(Clone, Copy)]
enum Form {
    /// `key = ...`.
    Value,
    /// A table with this head.
    Table(&'static str),
}

/// Reads one table.
pub(super) struct Reader<'a> {
    /// How the file writes the table's head, such as `[[service]]`.
    head: &'static str,
    /// `None`: the file has no such table; then every key is absent and none is missed.
    table: Option<&'a DeTable<'a>>,
    place: Place,
    report: &'a Report<'a>,
    /// Keys that were asked for, and how the file writes them.
    known: Vec<(&'static str, Form)>,
    missing: Vec<&'static str>,
    /// Missing keys, and others that would do as well.
    alternatives: Vec<(&'static str, &'static str)>,
}

impl<'a> Reader<'a> {
    /// Reads the whole file.
    pub(super) fn root(table: &'a DeTable<'a>, report: &'a Report<'a>) -> Self {
        let place = Place { span: 0..0, key: String::new() };
        Self::new("the file", Some(table), place, report)
    }

    fn new(head: &'static str, table: Option<&'a DeTable<'a>>, place: Place, report: &'a Report<'a>) -> Self {
        Self { head, table, place, report, known: Vec::new(), missing: Vec::new(), alternatives: Vec::new() }
    }

    /// Where the table begins.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the file has such a table.
    pub(super) fn is_given(&self) -> bool {
        self.table.is_some()
    }

    /// Where errors go.
    pub(super) fn report(&self) -> &'a Report<'a> {
        self.report
    }

    /// Whether the file has this key, with whatever value.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Whether the file has a list under this key.
    pub(super) fn is_list(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| matches!(entry.get_ref(), DeValue::Array(_)))
    }

    /// Says that the table is not complete without these keys.
    pub(super) fn require(&mut self, keys: &[&'static str]) {
        if self.table.is_some() {
            let missing: Vec<_> = keys.iter().copied().filter(|key| !self.has(key)).collect();
            self.missing.extend(missing);
        }
    }

    /// Says that the table must have one of two keys and not both.
    pub(super) fn require_either(&mut self, key: &'static str, instead: &'static str) {
        match self.entry(instead) {
            Some(entry) if self.has(key) => {
                let place = self.place.child(instead, entry.span());
                let message = format!("`{key}` and `{instead}` are both given in {}", self.head);
                self.report.error(&place, message, format!("keep one of `{key}` and `{instead}`"));
            }
            Some(_) => {}
            None if self.table.is_some() && !self.has(key) => {
                self.missing.push(key);
                self.alternatives.push((key, instead));
            }
            None => {}
        }
    }

    fn entry(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table?.get(key)
    }

    /// Reads `key` by `convert`, which returns what is wrong in words; `expected` is the way out.
    fn value<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        convert: impl FnOnce(&DeValue<'a>) -> Result<T, String>,
    ) -> Field<T> {
        self.known.push((key, Form::Value));
        let Some(entry) = self.entry(key) else {
            return Field::Absent(self.place.child(key, self.place.span.clone()));
        };
        let place = self.place.child(key, entry.span());
        let value = match entry.get_ref() {
            DeValue::String(text) if is_later_value(self.head, key, text) => {
                Err(format!("{key} {text:?} is not supported by this version"))
            }
            value => convert(value),
        };
        match value {
            Ok(value) => Field::Given(At { value, place, given: true }),
            Err(message) => {
                self.report.error(&place, message, format!("give {expected}"));
                Field::Bad
            }
        }
    }

    /// A string that `parse` turns into a value, or into words on what is wrong with it.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Field<T> {
        self.value(key, expected, |value| parse(values::string(key, value)?))
    }

    /// Any string.
    pub(super) fn string(&mut self, key: &'static str) -> Field<String> {
        self.parsed(key, "a string in quotes", |text| Ok(text.to_owned()))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Field<bool> {
        self.value(key, "true or false", |value| match value {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(values::wrong_type(key, "true or false", other)),
        })
    }

    /// An integer within bounds.
    pub(super) fn integer<T>(&mut self, key: &'static str, bounds: RangeInclusive<T>) -> Field<T>
    where
        T: Copy + Into<i128> + TryFrom<i128>,
    {
        let bounds = (*bounds.start()).into()..=(*bounds.end()).into();
        let expected = format!("an integer in {}..={}", bounds.start(), bounds.end());
        self.value(key, &expected, |value| values::integer(key, value, &bounds))
    }

    /// A length of time with a unit, within bounds.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        bounds: &RangeInclusive<Duration>,
    ) -> Field<Duration> {
        let [low, high] = [bounds.start(), bounds.end()].map(|&bound| humantime::format_duration(bound));
        let expected = format!("a number and unit in quotes such as \"30s\", from {low} to {high}");
        self.parsed(key, &expected, |text| values::duration(key, text, bounds))
    }

    /// A duration within bounds, or `None` for the word `off`.
    pub(super) fn duration_or_off(
        &mut self,
        key: &'static str,
        bounds: &RangeInclusive<Duration>,
    ) -> Field<Option<Duration>> {
        let [low, high] = [bounds.start(), bounds.end()].map(|&bound| humantime::format_duration(bound));
        let expected =
            format!("a number and unit in quotes such as \"30s\", from {low} to {high}, or \"off\"");
        self.parsed(key, &expected, |text| match text {
            "off" => Ok(None),
            text => values::duration(key, text, bounds).map(Some),
        })
    }

    /// One of several words.
    pub(super) fn one_of<T: Copy>(&mut self, key: &'static str, choices: &[(&str, T)]) -> Field<T> {
        self.parsed(key, &any_of(choices), |text| choice(key, text, choices))
    }

    /// One of several words, or a list of them.
    pub(super) fn one_or_list_of<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Field<Vec<At<T>>> {
        if self.is_list(key) {
            return self.list(key, &any_of(choices), |text| choice(key, text, choices));
        }
        self.one_of(key, choices).alone()
    }

    /// A port, or 0 for the word `any`; as the list that [`Reader::port_list`] reads.
    pub(super) fn port_or_any(&mut self, key: &'static str) -> Field<Vec<At<RangeInclusive<u16>>>> {
        self.value(key, values::A_PORT_OR_ANY, |value| values::port_or_any(key, value)).alone()
    }

    /// Ports and ranges of ports.
    pub(super) fn port_list(&mut self, key: &'static str) -> Field<Vec<At<RangeInclusive<u16>>>> {
        self.items(key, values::A_PORT_SPAN, |item| values::port_span("port", item))
    }

    /// A list of strings, each turned into a value by `parse`. Bad items are reported one by one.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Field<Vec<At<T>>> {
        self.items(key, expected, |item| values::string(key, item).and_then(&parse))
    }

    /// A list, each item turned into a value by `convert`.
    fn items<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        convert: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Field<Vec<At<T>>> {
        let (place, report) = (self.place.clone(), self.report);
        let field = self.value(key, &format!("a list of {expected}"), |value| {
            let DeValue::Array(items) = value else {
                return Err(values::wrong_type(key, "a list", value));
            };
            let read = |(index, item): (usize, &Spanned<DeValue<'_>>)| {
                let place = place.child(&format!("{key}[{index}]"), item.span());
                match convert(item.get_ref()) {
                    Ok(value) => Some(At { value, place, given: true }),
                    Err(message) => {
                        report.error(&place, message, format!("give {expected}"));
                        None
                    }
                }
            };
            // Each item reports its own errors, so none may keep another from being looked at.
            let items: Vec<_> = items.iter().enumerate().map(read).collect();
            Ok(items.into_iter().collect::<Option<Vec<_>>>())
        });
        match field {
            Field::Absent(place) => Field::Absent(place),
            Field::Given(At { value: Some(value), place, given }) => Field::Given(At { value, place, given }),
            Field::Bad | Field::Given(_) => Field::Bad,
        }
    }

    /// The table under `key`; a reader of nothing when there is none.
    pub(super) fn table(&mut self, key: &'static str, head: &'static str) -> Reader<'a> {
        self.known.push((key, Form::Table(head)));
        let Some(entry) = self.entry(key) else {
            let place = self.place.child(key, self.place.span.clone());
            return Reader::new(head, None, place, self.report);
        };
        let place = self.place.child(key, entry.span());
        let table = entry.get_ref().as_table();
        if table.is_none() {
            let message = values::wrong_type(key, "a table", entry.get_ref());
            self.report.error(&place, message, format!("write it as {head}"));
        }
        Reader::new(head, table, place, self.report)
    }

    /// The tables under `key`, named in errors by their `name`, else by their number.
    pub(super) fn tables(&mut self, key: &'static str, head: &'static str) -> Field<Vec<Reader<'a>>> {
        self.known.push((key, Form::Table(head)));
        let Some(entry) = self.entry(key) else {
            return Field::Absent(self.place.child(key, self.place.span.clone()));
        };
        let place = self.place.child(key, entry.span());
        let DeValue::Array(items) = entry.get_ref() else {
            let message = values::wrong_type(key, "a list of tables", entry.get_ref());
            self.report.error(&place, message, format!("write it as {head}"));
            return Field::Bad;
        };
        let read = |(index, item): (usize, &'a Spanned<DeValue<'a>>)| {
            let table = item.get_ref().as_table();
            let name = table.and_then(|table| table.get("name")).and_then(|name| name.get_ref().as_str());
            let number = || format!("{key} #{}", index + 1);
            let label = name.map_or_else(number, |name| format!("{key} {name:?}"));
            let place = self.place.child(&label, item.span());
            if table.is_none() {
                let message = values::wrong_type(key, "a table", item.get_ref());
                self.report.error(&place, message, format!("write it as {head}"));
            }
            Reader::new(head, table, place, self.report)
        };
        let value = items.iter().enumerate().map(read).collect();
        Field::Given(At { value, place, given: true })
    }

    /// Reports keys that nobody asked for, and required keys that are not there.
    pub(super) fn finish(self) {
        let keys: Vec<_> = self.known.iter().map(|&(key, _)| key).collect();
        let mut meant = Vec::new();
        for (key, _) in self.table.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if !keys.contains(&name) {
                let nearest = nearest(name, keys.iter().copied());
                self.unknown(name, key.span(), nearest, &keys);
                meant.extend(nearest);
            }
        }
        for (key, form) in &self.known {
            // A misspelt key is one mistake, not a wrong key and a missing one.
            let would_do = |word: &&str| word == key || self.alternatives.contains(&(*key, *word));
            if self.missing.contains(key) && !meant.iter().any(would_do) {
                let place = self.place.child(key, self.place.span.clone());
                let message = format!("`{key}` is missing in {}", self.head);
                let help = match form {
                    Form::Value => format!("add `{key} = ...` to {}", self.head),
                    Form::Table(head) => format!("add {head}"),
                };
                self.report.error(&place, message, help);
            }
        }
    }

    fn unknown(&self, name: &str, span: Range<usize>, nearest: Option<&str>, keys: &[&str]) {
        let shown = name.escape_debug().to_string();
        let meant = did_you_mean(nearest.map(|key| format!("`{key}`")));
        let message = format!("unknown key `{shown}` in {}{meant}", self.head);
        let help = format!("keys of {}: {}", self.head, keys.join(", "));
        self.report.error(&self.place.child(&shown, span), message, help);
    }
}

/// What [`choice`] takes, for errors.
fn any_of<T>(choices: &[(&str, T)]) -> String {
    either(&choices.iter().map(|&(word, _)| word).collect::<Vec<_>>())
}

fn choice<T: Copy>(key: &str, text: &str, choices: &[(&str, T)]) -> Result<T, String> {
    let choice = choices.iter().find(|&&(word, _)| word == text);
    choice.map(|&(_, value)| value).ok_or_else(|| {
        let meant = nearest(text, choices.iter().map(|&(word, _)| word)).map(|word| format!("{word:?}"));
        format!("unknown {key} {text:?}{}", did_you_mean(meant))
    })
}
