//! A checker of the metrics page that shares no code with what writes it.

use std::collections::{BTreeMap, HashSet};

/// What a page says, once it has been found well formed.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    /// Name of each family -> its type.
    pub(crate) types: BTreeMap<String, String>,
    /// Name and labels of each sample -> value.
    pub(crate) samples: BTreeMap<(String, Vec<(String, String)>), f64>,
}

impl Exposition {
    /// Reads a page; panics with the line that breaks a rule.
    pub(crate) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut helped = HashSet::new();
        let mut family = String::new();
        let body = text.strip_suffix("# EOF\n").expect("ends with EOF");
        for line in body.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect(line);
                assert!(helped.insert(name.to_owned()), "twice: {line}");
                assert!(help.ends_with('.') && !help.contains('\\'), "no sentence: {line}");
                name.clone_into(&mut family);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect(line);
                assert_eq!(name, family, "HELP comes first: {line}");
                assert!(["counter", "gauge"].contains(&kind), "{line}");
                assert_eq!(page.types.insert(name.to_owned(), kind.to_owned()), None, "twice: {line}");
            } else if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').expect(line);
                assert_eq!(name, family, "{line}");
                assert!(name.ends_with(&format!("_{unit}")), "{line}");
            } else {
                page.sample(line, &family);
            }
        }
        page
    }

    fn sample(&mut self, line: &str, family: &str) {
        let end = line.find(['{', ' ']).expect(line);
        let (name, rest) = line.split_at(end);
        let expected = match self.types.get(family).expect(line).as_str() {
            "counter" => format!("{family}_total"),
            _ => family.to_owned(),
        };
        assert_eq!(name, expected, "a sample below its family: {line}");
        assert!(
            name.starts_with("limpet_") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
            "{line}"
        );
        assert!(!rest.starts_with("{}"), "{line}");
        let (labels, value) = labels(rest).expect(line);
        let mut names: Vec<_> = labels.iter().map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), labels.len(), "{line}");
        let value = value.strip_prefix(' ').expect(line).parse().expect(line);
        assert_eq!(self.samples.insert((name.to_owned(), labels), value), None, "twice: {line}");
    }

    /// The value of a sample; panics if it isn't there.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let key = (name.to_owned(), labels);
        *self.samples.get(&key).unwrap_or_else(|| panic!("no {key:?}"))
    }
}

/// `{a="b",...}` with escapes undone, and what follows it.
fn labels(text: &str) -> Option<(Vec<(String, String)>, &str)> {
    let mut labels = Vec::new();
    let Some(mut rest) = text.strip_prefix('{') else { return Some((labels, text)) };
    loop {
        if let Some(end) = rest.strip_prefix('}') {
            return Some((labels, end));
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = after.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    escaped @ ('"' | '\\') => escaped,
                    _ => return None,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name.to_owned(), value));
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[test]
fn the_checker_sees_what_is_wrong() {
    let wrong = |text: &str| std::panic::catch_unwind(|| Exposition::parse(text)).is_err();
    let head = "# HELP limpet_a A.\n# TYPE limpet_a gauge\n";
    assert!(!wrong(&format!("{head}limpet_a{{x=\"1\"}} 1\nlimpet_a{{x=\"2\"}} 1\n# EOF\n")));
    for lines in [
        "limpet_a 1\nlimpet_a 2\n",
        "limpet_a_total 1\n",
        "limpet_b 1\n",
        "limpet_a{x=\"1} 1\n",
        "limpet_a one\n",
        "limpet_a{} 1\n",
        "# HELP limpet_a A.\n",
        "# TYPE limpet_c gauge\n",
    ] {
        assert!(wrong(&format!("{head}{lines}# EOF\n")), "{lines}");
    }
    assert!(wrong("# TYPE limpet_a gauge\nlimpet_a 1\n# EOF\n"));
    assert!(wrong(&format!("{head}limpet_a 1\n")));
}
