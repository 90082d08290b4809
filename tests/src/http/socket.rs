//! A real WebSocket.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::header::{COOKIE, HeaderValue};
use lb_user::lab::client::{Tasks, connect};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::sleep,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Bytes, Message, client::IntoClientRequest as _},
};

use super::User;

/// What it goes by.
pub trait Way: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Way for T {}

/// One that is open.
pub struct Socket(WebSocketStream<Box<dyn Way>>);

impl Socket {
    /// A user opens one from where the user is; returns it, and who is at its other end.
    pub async fn open(user: &mut User, clients: &Tasks, target: SocketAddr) -> (Self, String) {
        let (source, cookies) = (user.address(), user.cookies());
        let opened = async move {
            let stream = connect(source, target).await?;
            Self::over(Box::new(stream), &target.to_string(), cookies).await
        };
        let (mut socket, set) = clients.spawn(opened).await.expect("no panic").expect("it opens");
        user.keep_all(&set);
        let server = socket.server().await.expect("it answers");
        (socket, server)
    }

    /// Opens `/ws` of a host with these cookies; returns what the answer set besides.
    pub async fn over(
        stream: Box<dyn Way>,
        host: &str,
        cookies: Option<String>,
    ) -> Result<(Self, Vec<String>)> {
        let mut request = format!("ws://{host}/ws").into_client_request()?;
        if let Some(cookies) = cookies {
            request.headers_mut().insert(COOKIE, HeaderValue::from_str(&cookies)?);
        }
        let (socket, response) = client_async(request, stream).await?;
        let set = response.headers().get_all("set-cookie").iter();
        let set = set.map(|field| String::from_utf8_lossy(field.as_bytes()).into_owned()).collect();
        Ok((Self(socket), set))
    }

    /// Says something; returns who answers.
    pub async fn server(&mut self) -> Result<String> {
        self.0.send(Message::text("hello")).await?;
        match self.next().await? {
            Message::Text(words) => {
                let (server, heard) = words.split_once(": ").context("no answer of the application")?;
                anyhow::ensure!(heard == "hello", "{heard}");
                Ok(server.to_owned())
            }
            other => bail!("{other:?}"),
        }
    }

    /// Sends bytes and has them back.
    pub async fn echo(&mut self, bytes: Bytes) -> Result<Bytes> {
        self.late_echo(bytes, Duration::ZERO).await
    }

    /// The same, looking at what comes back only after a while.
    pub async fn late_echo(&mut self, bytes: Bytes, after: Duration) -> Result<Bytes> {
        self.0.send(Message::Binary(bytes)).await?;
        sleep(after).await;
        match self.next().await? {
            Message::Binary(bytes) => Ok(bytes),
            other => bail!("{other:?}"),
        }
    }

    /// The next that comes; an error at the end.
    pub async fn next(&mut self) -> Result<Message> {
        Ok(self.0.next().await.context("it has ended")??)
    }

    /// Closes it in order.
    pub async fn close(mut self) -> Result<()> {
        self.0.close(None).await?;
        while self.0.next().await.is_some() {}
        Ok(())
    }
}
