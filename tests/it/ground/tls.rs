//! TLS in front of a server that has none, with a certificate of a CA of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// A front on a free port of 127.0.0.1, gone with the value.
pub struct TlsFront {
    /// Its base URL.
    pub url: String,
    /// The certificate of its CA, as PEM.
    pub ca: String,
    _task: AbortOnDropHandle<()>,
}

impl TlsFront {
    /// In front of a plain base URL such as `http://127.0.0.1:8080`.
    pub async fn of(plain: &str) -> Self {
        let behind: SocketAddr = plain.trim_start_matches("http://").parse().unwrap();
        let (config, ca) = credentials();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let serve = async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    // A client that does not trust the CA goes away here.
                    let Ok(mut client) = acceptor.accept(stream).await else {
                        return;
                    };
                    let mut server = TcpStream::connect(behind).await.unwrap();
                    // Either side may hang up.
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        };
        Self {
            url,
            ca,
            _task: AbortOnDropHandle::new(tokio::spawn(serve)),
        }
    }
}

/// A CA and, by it, a certificate for 127.0.0.1.
fn credentials() -> (ServerConfig, String) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(["127.0.0.1".to_owned()])
        .unwrap()
        .signed_by(&key, &issuer)
        .unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], key)
        .unwrap();
    (config, ca.pem())
}
