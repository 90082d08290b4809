//! A socket, as the tier uses it: counted for as long as it lives, and with short writes in pieces made one, as the kernel
//! has more to do for `writev` than for `send`.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::descriptors::Descriptor;

/// Bytes that are rather copied: a head, and a small body.
const SHORT: usize = 2048;

/// The socket.
#[derive(Debug)]
pub(super) struct Gathered<S> {
    stream: S,
    _descriptor: Descriptor,
}

impl<S> Gathered<S> {
    pub(super) const fn new(stream: S, descriptor: Descriptor) -> Self {
        Self { stream, _descriptor: descriptor }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        if let [slice] = slices {
            return stream.poll_write(cx, slice);
        }
        let (mut buffer, mut length) = ([0; SHORT], 0);
        for slice in slices {
            let Some(room) = buffer[length..].get_mut(..slice.len()) else {
                return stream.poll_write_vectored(cx, slices);
            };
            room.copy_from_slice(slice);
            length += slice.len();
        }
        stream.poll_write(cx, &buffer[..length])
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::Mutex};

    use super::{super::descriptors::Descriptors, *};

    /// Notes down the lengths of what is written.
    #[derive(Default)]
    struct Notes(Mutex<Vec<Vec<u8>>>);

    impl AsyncWrite for &Notes {
        fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().push(bytes.to_vec());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            _cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.0.lock().unwrap().extend(slices.iter().map(|slice| slice.to_vec()));
            Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()))
        }

        fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn what_is_short_is_written_at_once() {
        for (pieces, expected) in [
            (&[5][..], &[5][..]),
            (&[5000], &[5000]),
            (&[100, 3, 20], &[123]),
            (&[2000, 48], &[2048]),
            (&[2000, 49], &[2000, 49]),
            (&[100, 65536], &[100, 65536]),
            (&[0, 0], &[0]),
        ] {
            let notes = Notes::default();
            let pieces: Vec<_> = pieces.iter().zip(b'a'..).map(|(&length, of)| vec![of; length]).collect();
            let slices: Vec<_> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
            let mut stream = Gathered::new(&notes, Descriptors::new(1).wait().await);
            let written = poll_fn(|cx| Pin::new(&mut stream).poll_write_vectored(cx, &slices)).await;
            let all = pieces.concat();
            assert_eq!(written.unwrap(), all.len());
            let notes = notes.0.into_inner().unwrap();
            assert_eq!(notes.iter().map(Vec::len).collect::<Vec<_>>(), expected);
            assert_eq!(notes.concat(), all);
        }
    }
}
