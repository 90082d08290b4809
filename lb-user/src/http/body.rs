//! Bodies on their way: as they come, frame by frame, with a bound on how long they may stand still.

use std::{
    cell::Cell,
    error::Error,
    fmt,
    pin::Pin,
    rc::Rc,
    sync::atomic::Ordering::Relaxed,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::{open::Open, patience::Timer, pool::Lease, stall};

/// Why a body ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing came for too long.
    TimedOut,
    /// There was more than the service takes.
    TooLarge,
    /// Whoever sent it went away, or sent what is not HTTP.
    Broken,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "a body stood still for too long",
            Self::TooLarge => "a body is larger than the service takes",
            Self::Broken => "a body ended early",
        })
    }
}

impl Error for Fault {}

/// How far a request's body is.
#[derive(Debug)]
pub(super) struct Progress {
    /// When something last came of it.
    pub(super) at: Cell<Instant>,
    /// Why it ended early.
    pub(super) fault: Cell<Option<Fault>>,
    /// Nothing of it is still to be sent.
    is_over: Cell<bool>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { at: Cell::new(Instant::now()), fault: Cell::default(), is_over: Cell::default() }
    }
}

/// What is still to come, and how long may be waited for each frame of it.
#[derive(Debug)]
struct Frames {
    body: Incoming,
    limit: Duration,
    timer: Timer,
}

/// A frame, and how many bytes of data are in it.
type Counted = Result<(Frame<Bytes>, u64), Fault>;

impl Frames {
    fn new(body: Incoming, limit: Duration) -> Self {
        Self { body, limit, timer: Timer::default() }
    }

    /// The next one with its bytes of data, or an error once it has been awaited for too long.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Counted>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.timer.stop();
            let counted = |frame: Frame<Bytes>| {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                (frame, bytes)
            };
            return Poll::Ready(frame.map(|frame| frame.map(counted).map_err(|_| Fault::Broken)));
        }
        ready!(self.timer.poll(self.limit, cx));
        Poll::Ready(Some(Err(Fault::TimedOut)))
    }
}

/// A request's body, from the client to a backend.
#[derive(Debug)]
pub(super) struct Upload {
    frames: Frames,
    /// So many bytes may still come.
    left: u64,
    progress: Rc<Progress>,
    open: Option<Rc<Open>>,
}

impl Upload {
    pub(super) fn new(body: Incoming, limit: Duration, most: Option<u64>, progress: Rc<Progress>) -> Self {
        Self { frames: Frames::new(body, limit), left: most.unwrap_or(u64::MAX), progress, open: None }
    }

    /// Says for which backend its bytes count.
    pub(super) fn goes_to(&mut self, open: Rc<Open>) {
        self.open = Some(open);
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.progress.is_over.set(true);
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let this = &mut *self;
        let next = ready!(this.frames.next(cx));
        this.progress.at.set(Instant::now());
        let frame = next.map(|next| {
            let (frame, bytes) = next?;
            if let Some(open) = &this.open {
                open.upstream.bytes.fetch_add(bytes, Relaxed);
            }
            this.left = this.left.checked_sub(bytes).ok_or(Fault::TooLarge)?;
            Ok(frame)
        });
        if let Some(Err(fault)) = &frame {
            this.progress.fault.set(Some(*fault));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.frames.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.frames.body.size_hint()
    }
}

/// A response's body: a backend's, or our own words.
#[derive(Debug)]
pub(super) enum Download {
    /// A backend's.
    Theirs(Box<Theirs>),
    /// Our own.
    Own(Option<Bytes>),
}

/// A backend's answer on its way to the client.
#[derive(Debug)]
pub(super) struct Theirs {
    frames: Frames,
    /// The connection that it comes by, which others may have afterwards.
    lease: Option<Lease>,
    /// Of the request that it answers.
    asked: Rc<Progress>,
    open: Rc<Open>,
}

impl Theirs {
    pub(super) fn new(
        body: Incoming,
        limit: Duration,
        lease: Option<Lease>,
        (asked, open): (Rc<Progress>, Rc<Open>),
    ) -> Self {
        Self { frames: Frames::new(body, limit), lease, asked, open }
    }

    /// Leaves the connection to others. One whose request is still being sent, though it was answered, is closed: the next
    /// one would wait for whoever sends it.
    fn end(&mut self) {
        if let Some(lease) = self.lease.take().filter(|_| self.asked.is_over.get()) {
            lease.give_back();
        }
    }
}

impl Drop for Theirs {
    fn drop(&mut self) {
        // One that is cut off leaves its connection with data that nobody wants.
        if self.frames.body.is_end_stream() {
            self.end();
        }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        match &mut *self {
            Self::Own(text) => stall::gave(Poll::Ready(text.take().map(|text| Ok(Frame::data(text))))),
            Self::Theirs(theirs) => {
                let next = ready!(stall::gave(theirs.frames.next(cx)));
                match &next {
                    Some(Ok((_, bytes))) => {
                        theirs.open.upstream.reply_bytes.fetch_add(*bytes, Relaxed);
                    }
                    Some(Err(_)) => theirs.lease = None,
                    None => theirs.end(),
                }
                Poll::Ready(next.map(|next| next.map(|(frame, _)| frame)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(text) => text.is_none(),
            Self::Theirs(theirs) => theirs.frames.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(text) => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
            Self::Theirs(theirs) => theirs.frames.body.size_hint(),
        }
    }
}
