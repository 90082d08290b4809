//! What `limpet decap` counted.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use lb_common::decap::Reason;

use super::fates;
use crate::decap::Figures;

/// Writes how many packets were unwrapped, left alone and dropped, and why.
///
/// # Errors
/// When the text can't be written.
pub fn render(figures: &Figures, out: &mut impl Write) -> io::Result<()> {
    let Figures { passes, forwards, drops } = figures;
    let groups = [("unwrapped", forwards), ("passed", passes), ("dropped", drops)];
    fates::render(&groups, &BTreeMap::new(), meaning, out)
}

fn meaning(name: &str) -> &'static str {
    Reason::ALL.iter().find(|reason| reason.name() == name).map_or("", |reason| reason.help().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_counted() {
        let mut text = Vec::new();
        let figures = Figures {
            passes: [("not_tunnel", 3)].into(),
            forwards: [("decapsulated", 12_345)].into(),
            drops: [("fragment", 0)].into(),
        };
        render(&figures, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with("packets: 12.3k unwrapped, 3 passed, none dropped\n"), "{text}");
        assert!(text.contains("decapsulated") && !text.contains("fragment"), "{text}");
    }
}
