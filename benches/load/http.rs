//! HTTP/1.1 over one kept connection, at as little cost as can be: the driver shares its processors
//! with what it measures.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// One connection; one request at a time.
pub(crate) struct Http {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Http {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            request: Vec::new(),
            answer: Vec::new(),
        })
    }

    /// Posts JSON and returns the body of the answer; any status but 200 is an error.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> anyhow::Result<&str> {
        let length = body.len();
        self.send(
            &format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                 accept: application/json\r\ncontent-length: {length}\r\n\r\n"
            ),
            body,
        )
        .await
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<&str> {
        let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.send(&head, "").await
    }

    async fn send(&mut self, head: &str, body: &str) -> anyhow::Result<&str> {
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body.as_bytes());
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        let head_end = loop {
            self.read_more().await?;
            if let Some(end) = find(&self.answer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.answer[..head_end])?;
        let is_good = head.starts_with("HTTP/1.1 200");
        let length: usize = header(head, "content-length")
            .context("an answer without a length")?
            .parse()?;
        while self.answer.len() < head_end + length {
            self.read_more().await?;
        }
        let body = std::str::from_utf8(&self.answer[head_end..])?;
        if !is_good {
            bail!("{body}");
        }
        Ok(body)
    }

    async fn read_more(&mut self) -> anyhow::Result<()> {
        self.answer.reserve(4096);
        if self.stream.read_buf(&mut self.answer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
