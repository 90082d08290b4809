//! The words that errors use: suggestions, lists of what is accepted, and what is still to come.

use std::fmt::Display;

/// Values that belong to the design and not to this version: table, key, and the values.
const LATER: &[(&str, &str, &[&str])] = &[("[service.health]", "type", &["https"])];

/// Whether a later version is to know this value of a key that exists.
pub(super) fn is_later_value(table: &str, key: &str, value: &str) -> bool {
    LATER.iter().any(|&(t, k, values)| (t, k) == (table, key) && values.contains(&value))
}

/// The candidate most like `word`, if any is like it at all.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| (candidate, candidate.replace('-', "_")))
        .filter(|(_, candidate)| alike(&word, candidate))
        .max_by(|a, b| strsim::jaro_winkler(&word, &a.1).total_cmp(&strsim::jaro_winkler(&word, &b.1)))
        .map(|(candidate, _)| candidate)
}

/// A few letters apart, or a part of the other, or abbreviated.
fn alike(word: &str, candidate: &str) -> bool {
    let longer = word.chars().count().max(candidate.chars().count());
    strsim::osa_distance(word, candidate) <= (longer / 3).max(1)
        || (word.len() >= 4 && candidate.contains(word))
        || strsim::jaro_winkler(word, candidate) >= 0.8
}

/// `; did you mean X?`, or nothing.
pub(super) fn did_you_mean(nearest: Option<impl Display>) -> String {
    nearest.map_or_else(String::new, |word| format!("; did you mean {word}?"))
}

/// `"a", "b" or "c"`.
pub(super) fn either(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typing_errors_find_their_word_and_strangers_find_none() {
        let keys = ["name", "address", "port", "protocol", "idle_timeout", "prefix_v4", "weight"];
        for (typed, meant) in [
            ("prot", Some("port")),
            ("proto", Some("protocol")),
            ("adress", Some("address")),
            ("addr", Some("address")),
            ("timeout", Some("idle_timeout")),
            ("idle-timeout", Some("idle_timeout")),
            ("Wieght", Some("weight")),
            ("prefix_v5", Some("prefix_v4")),
            ("tpc", None),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(typed, keys), meant, "{typed}");
        }
        assert_eq!(nearest("tpc", ["udp", "tcp"]), Some("tcp"));
        assert_eq!(nearest("client_ip", ["connection", "client-ip"]), Some("client-ip"));
    }

    #[test]
    fn alternatives_read_as_a_sentence() {
        assert_eq!(either(&["a"]), r#""a""#);
        assert_eq!(either(&["a", "b"]), r#""a" or "b""#);
        assert_eq!(either(&["a", "b", "c"]), r#""a", "b" or "c""#);
    }
}
