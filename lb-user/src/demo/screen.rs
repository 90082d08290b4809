//! What the demo prints. At most 100 columns; colours only where somebody watches.

use std::io::{self, IsTerminal as _, Write};

use super::{
    network::CLIENTS,
    round::{Answer, Round},
};
use crate::lab::Way;

const RESET: &str = "\x1b[0m";
const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
/// One for each backend, in order.
const BACKEND_COLOURS: [&str; 3] = ["\x1b[36m", "\x1b[33m", "\x1b[35m"];

/// Where the demo writes, and whether in colour.
pub(super) struct Screen<W> {
    out: W,
    colours: bool,
}

impl Screen<io::Stdout> {
    /// Standard output; colours on a terminal, unless `NO_COLOR` is set.
    pub(super) fn stdout() -> Self {
        let out = io::stdout();
        let colours = out.is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { out, colours }
    }
}

impl<W: Write> Screen<W> {
    /// A heading.
    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.paint(BOLD, text);
        writeln!(self.out, "\n{text}")
    }

    /// A line of prose.
    pub(super) fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")
    }

    /// A promise and whether it was kept.
    pub(super) fn promise(&mut self, kept: bool, text: &str) -> io::Result<()> {
        let word = if kept { self.paint(GREEN, "kept  ") } else { self.paint(RED, "BROKEN") };
        writeln!(self.out, "  {word}  {text}")
    }

    /// The table of one round; answers that differ from `before` are marked.
    pub(super) fn round(
        &mut self,
        title: &str,
        first_client: u8,
        round: &Round,
        before: Option<&Round>,
    ) -> io::Result<()> {
        self.heading(title)?;
        let numbers: String =
            (1..=CLIENTS).map(|index| format!("{:>3}", u16::from(first_client) + u16::from(index))).collect();
        let header = self.paint(DIM, &format!("{:<20}{numbers}", "  client"));
        writeln!(self.out, "{header}")?;
        for (row, (way, answers)) in Way::PLAIN.iter().zip(&round.0).enumerate() {
            write!(self.out, "  {:<4}{:<14}", way.forwarding(), way.target().ip())?;
            for (column, answer) in answers.iter().enumerate() {
                let moved = before.is_some_and(|before| before.0[row][column] != *answer);
                let cell = self.cell(*answer, moved);
                write!(self.out, "{cell}")?;
            }
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// The visits of one browser, in a row.
    pub(super) fn visits(&mut self, title: &str, answers: &[Answer]) -> io::Result<()> {
        write!(self.out, "  {title:<18}")?;
        for (at, answer) in answers.iter().enumerate() {
            let moved = at > 0 && answers[at - 1] != *answer;
            let cell = self.cell(*answer, moved);
            write!(self.out, "{cell}")?;
        }
        writeln!(self.out)
    }

    /// Three columns.
    fn cell(&self, answer: Answer, moved: bool) -> String {
        let mark = if moved { "*" } else { " " };
        match answer {
            Some(backend) => {
                let colour = BACKEND_COLOURS[usize::from(backend) % BACKEND_COLOURS.len()];
                self.paint(colour, &format!("{mark:>2}{}", backend + 1))
            }
            None => self.paint(RED, &format!("{mark:>2}-")),
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours { format!("{colour}{text}{RESET}") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(round: &Round, before: Option<&Round>) -> String {
        let mut screen = Screen { out: Vec::new(), colours: false };
        screen.round("round 1", 0, round, before).unwrap();
        String::from_utf8(screen.out).unwrap()
    }

    #[test]
    fn a_round_fits_the_screen_and_marks_what_moved() {
        let before = Round(vec![vec![Some(0); usize::from(CLIENTS)]; Way::PLAIN.len()]);
        let mut after = before.clone();
        after.0[1][0] = Some(2);
        after.0[3][1] = None;
        let text = printed(&after, Some(&before));
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[1], "round 1");
        assert!(lines[3].starts_with("  nat 10.77.0.10      1  1  1"), "{text}");
        assert!(lines[4].starts_with("  nat fd77::10       *3  1  1"), "{text}");
        assert!(lines[6].starts_with("  dsr fd77::20        1 *-  1"), "{text}");
        assert!(!printed(&before, Some(&before)).contains('*'));
    }
}
