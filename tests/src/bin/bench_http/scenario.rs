//! What clients do.

/// One way to be a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Scenario {
    pub(crate) is_tls: bool,
    pub(crate) kind: Kind,
}

/// What they ask for, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A few bytes; connections stay.
    Small,
    /// The same of clients that have no cookie yet: each is given one.
    Stranger,
    /// A new connection each time.
    New,
    /// 64 kB; connections stay.
    Large,
    /// 1 MB; connections stay.
    Huge,
}

/// Sizes of what is asked for, in bytes.
pub(crate) const LARGE: usize = 64 << 10;
pub(crate) const HUGE: usize = 1 << 20;

impl Scenario {
    pub(crate) const ALL: [Self; 9] = [
        Self::plain(Kind::Small),
        Self::plain(Kind::Stranger),
        Self::plain(Kind::New),
        Self::plain(Kind::Large),
        Self::plain(Kind::Huge),
        Self::tls(Kind::Small),
        Self::tls(Kind::New),
        Self::tls(Kind::Large),
        Self::tls(Kind::Huge),
    ];

    const fn plain(kind: Kind) -> Self {
        Self { is_tls: false, kind }
    }

    const fn tls(kind: Kind) -> Self {
        Self { is_tls: true, kind }
    }

    pub(crate) const fn name(self) -> &'static str {
        match (self.is_tls, self.kind) {
            (false, Kind::Small) => "small",
            (false, Kind::Stranger) => "small, first visit",
            (false, Kind::New) => "small, new connection",
            (false, Kind::Large) => "64 kB",
            (false, Kind::Huge) => "1 MB",
            (true, Kind::Small) => "TLS, small",
            (true, Kind::Stranger) => "TLS, small, first visit",
            (true, Kind::New) => "TLS, small, new connection",
            (true, Kind::Large) => "TLS, 64 kB",
            (true, Kind::Huge) => "TLS, 1 MB",
        }
    }

    /// Of all.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::name).join("; ")
    }

    /// Whether clients have been there before, and bring the cookie that they were given.
    pub(crate) fn has_cookies(self) -> bool {
        self.kind != Kind::Stranger
    }

    pub(crate) const fn path(self) -> &'static str {
        match self.kind {
            Kind::Small | Kind::Stranger | Kind::New => "/",
            Kind::Large => "/large",
            Kind::Huge => "/huge",
        }
    }
}
