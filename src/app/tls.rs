//! TLS of the server: certificate and key from files, which are read again when they change.
//!
//! A pair that cannot be used never takes the place of one that can.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::Context as _;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};
use tokio_rustls::TlsAcceptor;

use crate::config::Http;

/// The period at which the files are read.
const READ_EVERY: Duration = Duration::from_secs(2);

/// The size of the largest file.
const MAX_BYTES: u64 = 1024 * 1024;

/// The certificate that new connections are served with, and its key.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&current))
    }
}

/// TLS by the files that the configuration names.
pub(super) struct Tls {
    files: Files,
    /// The digest of what the files held when they were last read; none if they could not be read.
    seen: Option<[u8; 32]>,
    current: Arc<Current>,
    acceptor: TlsAcceptor,
}

impl Tls {
    /// None where no certificate is configured.
    ///
    /// # Errors
    /// When the files cannot be read, or do not hold a certificate and the key that belongs to it.
    pub(super) fn of(http: &Http) -> anyhow::Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&http.tls_certificate, &http.tls_key) else {
            return Ok(None);
        };
        let files = Files {
            certificate: certificate.clone(),
            key: key.clone(),
        };
        let loaded = files.read().and_then(|read| Ok((read.pair()?, read)));
        let (pair, read) = loaded.context(
            "TLS cannot be served: http.tls_certificate must name a PEM file with the server's certificate and \
             those that signed it, http.tls_key a PEM file with the key of the first one",
        )?;
        let current = Arc::new(Current(RwLock::new(Arc::new(pair))));
        Ok(Some(Self {
            files,
            seen: Some(read.digest()),
            acceptor: acceptor(Arc::clone(&current) as _)?,
            current,
        }))
    }

    /// Accepts connections with the certificate that is then current, for HTTP/2 or HTTP/1.1.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Reads the files again and again. Open connections go on with what they began with.
    pub(super) async fn renew_for_ever(mut self) {
        loop {
            tokio::time::sleep(READ_EVERY).await;
            let files = self.files.clone();
            if let Ok(read) = tokio::task::spawn_blocking(move || files.read()).await {
                self.renew(read);
            }
        }
    }

    fn renew(&mut self, read: anyhow::Result<Pem>) {
        let seen = read.as_ref().ok().map(Pem::digest);
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        match read.and_then(|read| read.pair()) {
            Ok(pair) => {
                let mut current = self.current.0.write();
                let current = current.as_deref_mut();
                *current.unwrap_or_else(|poisoned| poisoned.get_mut()) = Arc::new(pair);
                tracing::info!("new connections are served with a new certificate");
            }
            Err(error) => tracing::warn!(
                error = format!("{error:#}"),
                "http.tls_certificate and http.tls_key cannot be used; the former certificate is served on"
            ),
        }
    }
}

fn acceptor(current: Arc<dyn ResolvesServerCert>) -> Result<TlsAcceptor, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(current);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[derive(Debug, Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// The text of both files.
struct Pem {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(&self) -> anyhow::Result<Pem> {
        Ok(Pem {
            certificate: contents(&self.certificate)?,
            key: contents(&self.key)?,
        })
    }
}

impl Pem {
    fn pair(&self) -> anyhow::Result<CertifiedKey> {
        let chain = CertificateDer::pem_slice_iter(&self.certificate);
        let chain: Vec<_> = chain
            .collect::<Result<_, _>>()
            .context("http.tls_certificate is no PEM file")?;
        anyhow::ensure!(
            !chain.is_empty(),
            "http.tls_certificate holds no certificate"
        );
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .context("http.tls_key holds no key that is not encrypted")?;
        CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
            .context("the certificate and the key cannot be used together")
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.certificate.len().to_le_bytes());
        digest.update(&self.certificate);
        digest.update(&self.key);
        digest.finalize().into()
    }
}

fn contents(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut contents))
        .with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! file {
        ($name:literal) => {
            include_bytes!(concat!("../../tests/it/support/tls/", $name))
        };
    }

    const ONE: [&[u8]; 2] = [file!("one.pem"), file!("one-key.pem")];
    const TWO: [&[u8]; 2] = [file!("two.pem"), file!("two-key.pem")];

    #[test]
    fn a_pair_that_cannot_be_used_never_takes_the_place_of_one_that_can() {
        let folder = tempfile::tempdir().unwrap();
        let [certificate, key] = ["certificate", "key"].map(|name| folder.path().join(name));
        let write = |[new_certificate, new_key]: [&[u8]; 2]| {
            std::fs::write(&certificate, new_certificate).unwrap();
            std::fs::write(&key, new_key).unwrap();
        };
        write(ONE);
        let overrides = crate::config::Overrides {
            set: vec![
                format!("http.tls_certificate={}", certificate.display()),
                format!("http.tls_key={}", key.display()),
            ],
            ..Default::default()
        };
        let config = crate::config::Config::load(&overrides, std::iter::empty()).unwrap();
        let mut tls = Tls::of(&config.http).unwrap().unwrap();
        let mut served_after = |files: Option<[&[u8]; 2]>| {
            match files {
                Some(files) => write(files),
                None => std::fs::remove_file(&key).unwrap(),
            }
            tls.renew(tls.files.read());
            let current = tls.current.0.read().unwrap();
            current.cert[0].to_vec()
        };
        let der = |pem: [&[u8]; 2]| CertificateDer::from_pem_slice(pem[0]).unwrap().to_vec();
        for broken in [None, Some([TWO[0], ONE[1]]), Some([b"", TWO[1]])] {
            assert_eq!(served_after(broken), der(ONE));
        }
        assert_eq!(served_after(Some(TWO)), der(TWO));
    }
}
