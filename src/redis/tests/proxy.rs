//! A TCP proxy that can be cut and mended.

use std::sync::Mutex;

use ::redis::{ConnectionAddr, IntoConnectionInfo};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::broadcast,
    task::JoinHandle,
};

pub(super) async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap().port()
}

pub(super) struct Proxy {
    target: String,
    port: u16,
    drop: broadcast::Sender<()>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Proxy {
    pub(super) async fn before(url: &str) -> Self {
        let info = url.into_connection_info().unwrap();
        let ConnectionAddr::Tcp(host, port) = info.addr() else {
            panic!("tests reach Redis by plain TCP");
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            target: format!("{host}:{port}"),
            port: listener.local_addr().unwrap().port(),
            drop: broadcast::channel(1).0,
            accepting: Mutex::default(),
        };
        proxy.accept(listener);
        proxy
    }

    pub(super) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends what is connected; new connections are taken.
    pub(super) fn drop_connections(&self) {
        let _ = self.drop.send(());
    }

    /// As if the server had died.
    pub(super) fn cut(&self) {
        if let Some(accepting) = self.accepting.lock().unwrap().take() {
            accepting.abort();
        }
        self.drop_connections();
    }

    /// As if it had been started again.
    pub(super) async fn mend(&self) {
        let address = ("127.0.0.1", self.port);
        let listener = loop {
            // The aborted task may hold the port for a moment.
            match TcpListener::bind(address).await {
                Ok(listener) => break listener,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        self.accept(listener);
    }

    fn accept(&self, listener: TcpListener) {
        let (target, drop) = (self.target.clone(), self.drop.clone());
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let (target, mut dropped) = (target.clone(), drop.subscribe());
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                        _ = dropped.recv() => {}
                    }
                });
            }
        });
        *self.accepting.lock().unwrap() = Some(task);
    }
}
