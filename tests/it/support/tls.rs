//! Servers that speak TLS, and clients that trust the authority of the tests.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::Backend;

pub const AUTHORITY: &str = include_str!("tls/ca.pem");

/// A certificate for `localhost` and 127.0.0.1, and its key.
#[derive(Clone, Copy)]
pub struct Pair {
    pub certificate: &'static str,
    pub key: &'static str,
}

pub const ONE: Pair = Pair {
    certificate: include_str!("tls/one.pem"),
    key: include_str!("tls/one-key.pem"),
};

pub const TWO: Pair = Pair {
    certificate: include_str!("tls/two.pem"),
    key: include_str!("tls/two-key.pem"),
};

impl Pair {
    pub fn der(self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }
}

/// The files that a server of this backend reads its certificate and its key from.
pub fn files(backend: &Backend) -> [PathBuf; 2] {
    ["tls.crt", "tls.key"].map(|name| backend.folder.path().join(name))
}

/// Puts the pair into the files; the settings that name them.
pub fn settings(backend: &Backend, pair: Pair) -> [String; 2] {
    let [certificate, key] = files(backend);
    std::fs::write(&certificate, pair.certificate).unwrap();
    std::fs::write(&key, pair.key).unwrap();
    [
        format!("http.tls_certificate={}", certificate.display()),
        format!("http.tls_key={}", key.display()),
    ]
}

/// A connection that offers these protocols, the first one rather than the others.
pub async fn connect(address: SocketAddr, protocols: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(AUTHORITY.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(name, stream).await.unwrap()
}

/// The certificate that the server has shown.
pub fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    let shown = stream.get_ref().1.peer_certificates().unwrap();
    shown[0].clone().into_owned()
}

/// A client that trusts the authority.
pub fn client() -> reqwest::Client {
    let authority = reqwest::Certificate::from_pem(AUTHORITY.as_bytes()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([authority]);
    client.build().unwrap()
}
