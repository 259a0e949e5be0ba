//! The kinds of connections: to the host or its proxy, and what hyper shall know about them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A connection to the host or to a proxy; with TLS only to a proxy that wants it.
pub(super) type Hop = MaybeHttpsStream<TokioIo<TcpStream>>;
/// A connection for https: TLS with the host, over whatever leads there.
pub(super) type TlsWire = MaybeHttpsStream<Hop>;
/// A connection for http.
pub(super) type PlainWire = TokioIo<Wire>;

/// A connection without TLS to the host.
#[derive(Debug)]
pub(super) struct Wire {
    hop: TokioIo<Hop>,
    /// At its end is a proxy that reads the request and forwards it.
    is_forwarded: bool,
}

impl Wire {
    pub(super) fn new(hop: Hop, is_forwarded: bool) -> Self {
        Self { hop: TokioIo::new(hop), is_forwarded }
    }
}

impl Connection for Wire {
    fn connected(&self) -> Connected {
        self.hop.inner().connected().proxy(self.is_forwarded)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.hop).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.hop).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.hop).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.hop).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.hop).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.hop.is_write_vectored()
    }
}
