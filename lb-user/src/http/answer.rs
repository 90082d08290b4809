//! Answers of our own: what a client is told where no backend can tell it.

use http::{
    HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};
use lb_common::reason::Reason;

use super::{body::Download, body::Fault, forward::Failure};

/// Why a request is answered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// It contradicts itself, or means something that is not served.
    #[error("{0}")]
    Bad(&'static str),
    /// Its body is too large.
    #[error("the body is larger than this service takes")]
    TooLarge,
    /// Its body did not come.
    #[error("the body did not come in time")]
    TimedOut,
    /// Its body is coded in a way that is not undone here.
    #[error("no transfer coding but chunked is served here")]
    Coding,
    /// `CONNECT`.
    #[error("tunnels are not served here")]
    Tunnel,
    /// There is nobody who could.
    #[error("{0}")]
    Nobody(&'static str),
    /// The backend is not there, or its answer made no sense.
    #[error("the server behind this address could not be asked")]
    BadGateway,
    /// The backend did not answer.
    #[error("the server behind this address did not answer in time")]
    Late,
}

impl Refusal {
    const fn status(self) -> StatusCode {
        match self {
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TimedOut => StatusCode::REQUEST_TIMEOUT,
            Self::Coding => StatusCode::NOT_IMPLEMENTED,
            Self::Tunnel => StatusCode::METHOD_NOT_ALLOWED,
            Self::Nobody(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The answer: a line of text, which is for nobody's cache.
    pub(super) fn response(self) -> Response<Download> {
        let mut response = Response::new(Download::Own(Some(format!("{self}\n").into())));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            // What follows such a request may be anything.
            Self::Bad(_) | Self::TooLarge | Self::TimedOut | Self::Coding | Self::Tunnel => {
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Self::Nobody(_) => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::BadGateway | Self::Late => {}
        }
        response
    }
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self::Nobody(match reason {
            Reason::HomeDown => "the server of your session is down, and nobody may take its place",
            Reason::SessionsFull => "there is no room for another session",
            _ => "no server is up",
        })
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unconnected(..) | Failure::Lost(_) => Self::BadGateway,
            Failure::Full => Self::Nobody("there is no room for another connection"),
            Failure::Late => Self::Late,
            Failure::Body(Fault::Broken) => Self::Bad("the body is cut short or badly framed"),
            Failure::Body(Fault::TimedOut) => Self::TimedOut,
            Failure::Body(Fault::TooLarge) => Self::TooLarge,
        }
    }
}
