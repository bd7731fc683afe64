//! Connections without a client: what is said on them is written byte by byte.

use std::net::{IpAddr, SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::PATIENCE;

/// A connection on which nothing was said yet.
pub struct Wire(TcpStream);

impl Wire {
    pub async fn open(address: SocketAddr) -> Self {
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// From this address of the machine.
    pub async fn from(from: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    /// One that takes little of what it does not read.
    pub async fn narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self(socket.connect(address).await.unwrap())
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.0.write_all(bytes.as_ref()).await
    }

    /// Reads the beginning of an answer, and no more.
    pub async fn begins(&mut self, with: &str) {
        let mut bytes = vec![0; with.len()];
        let reading = self.0.read_exact(&mut bytes);
        timeout(PATIENCE, reading)
            .await
            .expect("no answer")
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&bytes), with);
    }

    /// Returns the bytes until the other side ends the connection, which it must.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end, too.
        let reading = self.0.read_to_end(&mut bytes);
        let _ = timeout(PATIENCE, reading).await.expect("it was not cut");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The head of an answer and a body of the length that it names; empty at the end.
    pub async fn answer(&mut self) -> String {
        let reading = async {
            let mut bytes = Vec::new();
            while !is_whole(&bytes) {
                match self.0.read_u8().await {
                    Ok(byte) => bytes.push(byte),
                    Err(_) => break,
                }
            }
            String::from_utf8_lossy(&bytes).into_owned()
        };
        timeout(PATIENCE, reading).await.expect("no answer")
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// A request with a body of JSON.
pub fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}
