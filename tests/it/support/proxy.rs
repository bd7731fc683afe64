//! A TCP proxy between a server and what it depends on. It can be cut, frozen in one or both directions, slowed
//! down and mended.

use std::{sync::Mutex, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::{broadcast, watch},
    task::JoinHandle,
};

use super::soon;

/// What becomes of packets in one direction.
#[derive(Debug, Clone, Copy, Default)]
struct Way {
    is_frozen: bool,
    delay: Duration,
}

/// Stands before a service at a port of its own.
pub struct Proxy {
    target: String,
    port: u16,
    cut: broadcast::Sender<()>,
    /// What is asked, and what is answered.
    ways: [watch::Sender<Way>; 2],
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    /// A proxy before the service that `url` names.
    pub async fn before(url: &str) -> Self {
        let target = authority(url);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            target,
            port: listener.local_addr().unwrap().port(),
            cut: broadcast::channel(1).0,
            ways: [watch::Sender::default(), watch::Sender::default()],
            accepting: Mutex::default(),
        };
        proxy.accept(listener);
        proxy
    }

    /// `url` with the proxy's address in place of the service's.
    pub fn instead_of(&self, url: &str) -> String {
        url.replacen(&self.target, &format!("127.0.0.1:{}", self.port), 1)
    }

    /// As if the service had died: connections end, new ones are refused.
    pub fn cut(&self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
        let _ = self.cut.send(());
    }

    /// As if the service had been started again.
    pub async fn mend(&self) {
        let address = ("127.0.0.1", self.port);
        let bound = async {
            loop {
                // The aborted task may hold the port for a moment.
                match TcpListener::bind(address).await {
                    Ok(listener) => return listener,
                    Err(_) => tokio::time::sleep(Duration::from_millis(1)).await,
                }
            }
        };
        let listener = soon(bound).await;
        self.accept(listener);
    }

    /// As if the service's address led to another one.
    pub async fn lead_to(&mut self, url: &str) {
        self.cut();
        self.target = authority(url);
        self.mend().await;
    }

    /// As if the network swallowed every packet: connections stay open and nothing arrives.
    pub fn freeze(&self) {
        for way in &self.ways {
            way.send_modify(|way| way.is_frozen = true);
        }
    }

    /// As if the network swallowed every packet of the service: what is asked arrives, and is not answered.
    pub fn freeze_answers(&self) {
        self.ways[1].send_modify(|way| way.is_frozen = true);
    }

    /// Lets what was swallowed arrive after all, at full speed.
    pub fn thaw(&self) {
        for way in &self.ways {
            way.send_replace(Way::default());
        }
    }

    /// Each packet takes so long, in each direction.
    pub fn slow_down(&self, delay: Duration) {
        for way in &self.ways {
            way.send_modify(|way| way.delay = delay);
        }
    }

    fn accept(&self, listener: TcpListener) {
        let (target, cut) = (self.target.clone(), self.cut.clone());
        let [asked, answered] = self.ways.each_ref().map(watch::Sender::subscribe);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (target, mut cut) = (target.clone(), cut.subscribe());
                let (asked, answered) = (asked.clone(), answered.clone());
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(target).await else {
                        return;
                    };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::select! {
                        () = pass(from_client, to_server, asked) => {}
                        () = pass(from_server, to_client, answered) => {}
                        _ = cut.recv() => {}
                    }
                });
            }
        });
        *self.accepting.lock().unwrap() = Some(task);
    }
}

fn authority(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    let authority = rest.split(['/', '?']).next().unwrap();
    authority.rsplit('@').next().unwrap().to_owned()
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(count @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let Ok(delay) = way
            .wait_for(|way| !way.is_frozen)
            .await
            .map(|way| way.delay)
        else {
            return;
        };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
