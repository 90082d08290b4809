//! A case.

/// How a connection goes on after a case's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// The next request is served.
    Open,
    /// The balancer closes it.
    Closed,
    /// The client says that it has said all, and the balancer closes it.
    Ended,
}

/// What the backend may have got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Nothing,
    /// A request that breaks off, or nothing.
    Broken,
    /// These requests, each as `METHOD target body`.
    All(&'static [&'static str]),
}

/// What a client sends in one piece, and what becomes of that.
#[derive(Debug, Clone)]
pub struct Row {
    /// Of docs/http-framing.md.
    pub id: &'static str,
    /// Where it is from.
    pub source: &'static str,
    /// What is wrong, or unusual.
    pub what: &'static str,
    /// The bytes.
    pub sent: Vec<u8>,
    /// Statuses of the answers, in order.
    pub answers: &'static [u16],
    /// Then.
    pub after: After,
    /// At the backend.
    pub seen: Seen,
    /// Lines that the backend sees in the header section.
    pub shows: &'static [&'static str],
    /// Text that it does not see there.
    pub hides: &'static [&'static str],
}

impl Row {
    /// One that is answered with 400, after which the connection is closed; a backend never hears of it.
    pub fn refused(
        id: &'static str,
        source: &'static str,
        what: &'static str,
        sent: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            id,
            source,
            what,
            sent: sent.into(),
            answers: &[400],
            after: After::Closed,
            seen: Seen::Nothing,
            shows: &[],
            hides: &[],
        }
    }

    /// One that is answered by the backend, which sees `requests`.
    pub fn served(
        id: &'static str,
        source: &'static str,
        what: &'static str,
        sent: impl Into<Vec<u8>>,
        requests: &'static [&'static str],
    ) -> Self {
        let row = Self::refused(id, source, what, sent);
        Self { answers: &[200], after: After::Open, seen: Seen::All(requests), ..row }
    }

    /// What becomes of it, in the words of the page.
    #[must_use]
    pub fn fate(&self) -> String {
        let end = match self.after {
            After::Open => None,
            After::Closed | After::Ended => Some("closed".to_owned()),
        };
        let answers = self.answers.iter().map(u16::to_string);
        answers.chain(end).collect::<Vec<_>>().join(", ")
    }

    /// With other answers.
    #[must_use]
    pub fn answers(self, answers: &'static [u16]) -> Self {
        Self { answers, ..self }
    }

    /// With another end.
    #[must_use]
    pub fn then(self, after: After) -> Self {
        Self { after, ..self }
    }

    /// The backend may see how it begins.
    #[must_use]
    pub fn broken(self) -> Self {
        Self { seen: Seen::Broken, ..self }
    }

    /// The backend sees these requests, each as `METHOD target body`.
    #[must_use]
    pub fn sees(self, requests: &'static [&'static str]) -> Self {
        Self { seen: Seen::All(requests), ..self }
    }

    /// The backend sees these lines.
    #[must_use]
    pub fn shows(self, shows: &'static [&'static str]) -> Self {
        Self { shows, ..self }
    }

    /// The backend does not see this text.
    #[must_use]
    pub fn hides(self, hides: &'static [&'static str]) -> Self {
        Self { hides, ..self }
    }
}
