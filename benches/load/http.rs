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
    /// Lines of every head.
    headers: String,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Http {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            headers: String::new(),
            request: Vec::new(),
            answer: Vec::new(),
        })
    }

    /// A connection that asks for a tenant.
    pub(crate) async fn open_as(tenant: &str, address: SocketAddr) -> anyhow::Result<Self> {
        Self::open_by(&format!("x-takeoff-tenant: {tenant}\r\n"), address).await
    }

    /// A connection with these lines in every head.
    pub(crate) async fn open_by(headers: &str, address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            headers: headers.to_owned(),
            ..Self::open(address).await?
        })
    }

    /// Posts JSON and returns the body of the answer; any status but 200 is an error.
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> anyhow::Result<&str> {
        good(self.post_any(path, body).await?)
    }

    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<&str> {
        good(self.send("GET", path, b"").await?)
    }

    /// Posts JSON; the status and the body of the answer.
    pub(crate) async fn post_any(&mut self, path: &str, body: &str) -> anyhow::Result<(u16, &str)> {
        self.send("POST", path, body.as_bytes()).await
    }

    /// Puts bytes; the status and the body of the answer.
    pub(crate) async fn put(&mut self, path: &str, bytes: &[u8]) -> anyhow::Result<(u16, &str)> {
        self.send("PUT", path, bytes).await
    }

    async fn send(&mut self, method: &str, path: &str, body: &[u8]) -> anyhow::Result<(u16, &str)> {
        let (headers, length) = (&self.headers, body.len());
        let of_body = match method {
            "GET" => String::new(),
            _ => format!("content-type: application/json\r\ncontent-length: {length}\r\n"),
        };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{headers}{of_body}\
             accept: application/json\r\n\r\n"
        );
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body);
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        let head_end = loop {
            self.read_more().await?;
            if let Some(end) = find(&self.answer, b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = std::str::from_utf8(&self.answer[..head_end])?;
        let status = head
            .split(' ')
            .nth(1)
            .context("an answer without a status")?;
        let status: u16 = status.parse()?;
        let length: usize = header(head, "content-length")
            .context("an answer without a length")?
            .parse()?;
        while self.answer.len() < head_end + length {
            self.read_more().await?;
        }
        Ok((status, std::str::from_utf8(&self.answer[head_end..])?))
    }

    async fn read_more(&mut self) -> anyhow::Result<()> {
        self.answer.reserve(4096);
        if self.stream.read_buf(&mut self.answer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }
}

fn good((status, body): (u16, &str)) -> anyhow::Result<&str> {
    anyhow::ensure!(status == 200, "{body}");
    Ok(body)
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
