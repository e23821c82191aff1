//! One hook in front of every request the process sends.
//!
//! The Kubernetes client and the cloud clients ask the same [`Wire`] before each request, so a test can
//! cut the process's connections after request *i*, counted across both sides, and see what a crash at
//! that very moment leaves behind. A request can be stopped before it is sent, lose its answer, or
//! arrive late, after its sender has given up: the three things a network does to a request.
//!
//! In production the hook is [`Open`], which lets everything pass. Watches are long-lived requests whose
//! number is not repeatable; a hook that counts leaves them out with [`is_watch`].

use std::fmt::Display;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Method, Request, Uri};
use tower::{BoxError, Layer, Service};

/// Which client is about to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The Kubernetes API server.
    Kube,
    /// A cloud's HTTP API.
    Cloud,
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sent as usual.
    Pass,
    /// Not sent; the caller gets an error.
    Before,
    /// Sent; the answer is awaited and dropped, then the caller gets an error.
    Lost,
    /// The caller gets an error at once; the request is sent after this delay all the same.
    Late(Duration),
}

/// The hook. Asked once for every attempt to send a request.
pub trait Wire: Send + Sync + 'static {
    /// Decides what happens to the request that is about to be sent.
    fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict;

    /// Takes over a request that is sent late; it outlives its sender on purpose.
    ///
    /// Only hooks that answer [`Verdict::Late`] need to care; one that wants to wait for the late
    /// request keeps the handle of the task it spawns here.
    fn carry(&self, late: BoxFuture<'static, ()>) {
        drop(tokio::spawn(late));
    }

    /// Told when a request that was sent under [`Verdict::Pass`] or [`Verdict::Lost`] is under way no more: answered, failed or given
    /// up by its sender. A watch is over, in this sense, once it is open.
    fn ended(&self, _: &Uri) {}

    /// Told when a pass over a resource begins, and whether the resource is being deleted. For whoever counts passes; nothing is decided.
    fn pass(&self, _: &dyn Display, _is_deleted: bool) {}
}

/// A request under way; tells the hook when it is dropped.
pub(crate) struct UnderWay {
    wire: Arc<dyn Wire>,
    uri: Uri,
}

impl UnderWay {
    /// Begins with the sending.
    pub(crate) fn new(wire: &Arc<dyn Wire>, uri: &Uri) -> Self {
        Self {
            wire: Arc::clone(wire),
            uri: uri.clone(),
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.wire.ended(&self.uri);
    }
}

/// Lets everything pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct Open;

impl Wire for Open {
    fn request(&self, _: Side, _: &Method, _: &Uri) -> Verdict {
        Verdict::Pass
    }
}

/// True for a Kubernetes watch (`watch=true` or `watch=1` in the query).
pub fn is_watch(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| {
        form_urlencoded::parse(query.as_bytes())
            .any(|(name, value)| name == "watch" && (value == "true" || value == "1"))
    })
}

/// The error of a request that the hook did not let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// The request was not sent.
    #[error("the connection was cut before the request was sent")]
    Before,
    /// The request was sent, its answer is gone.
    #[error("the connection was cut before the answer came")]
    Lost,
    /// The request is still on its way.
    #[error("the connection was cut while the request was on its way")]
    Late,
}

/// Puts the hook in front of a Kubernetes client: `ClientBuilder::with_layer(&WireLayer::new(wire))`.
///
/// As the outermost layer it sees a request once, whatever the layers below retry.
#[derive(Clone)]
pub struct WireLayer {
    wire: Arc<dyn Wire>,
}

impl WireLayer {
    /// A layer that asks this hook.
    pub fn new(wire: Arc<dyn Wire>) -> Self {
        Self { wire }
    }
}

impl<S> Layer<S> for WireLayer {
    type Service = WireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WireService {
            wire: Arc::clone(&self.wire),
            inner,
        }
    }
}

/// The service that [`WireLayer`] makes.
#[derive(Clone)]
pub struct WireService<S> {
    wire: Arc<dyn Wire>,
    inner: S,
}

impl<S, B> Service<Request<B>> for WireService<S>
where
    S: Service<Request<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<S::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self
            .wire
            .request(Side::Kube, request.method(), request.uri())
        {
            Verdict::Pass => {
                let under_way = UnderWay::new(&self.wire, request.uri());
                let sent = self.inner.call(request);
                async move {
                    let answer = sent.await;
                    drop(under_way);
                    answer.map_err(Into::into)
                }
                .boxed()
            }
            Verdict::Before => async { Err(Cut::Before.into()) }.boxed(),
            Verdict::Lost => {
                let under_way = UnderWay::new(&self.wire, request.uri());
                let sent = self.inner.call(request);
                async move {
                    drop(sent.await);
                    drop(under_way);
                    Err(Cut::Lost.into())
                }
                .boxed()
            }
            Verdict::Late(delay) => {
                // The future sends nothing until it is polled, so holding it back holds the request back.
                let sent = self.inner.call(request);
                self.wire.carry(
                    async move {
                        tokio::time::sleep(delay).await;
                        drop(sent.await);
                    }
                    .boxed(),
                );
                async { Err(Cut::Late.into()) }.boxed()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use http::Response;
    use kube::client::Body;
    use tower::ServiceExt;

    use super::*;

    struct Always(Verdict, Mutex<Vec<(Side, Method, String)>>, AtomicUsize);

    impl Wire for Always {
        fn request(&self, side: Side, method: &Method, uri: &Uri) -> Verdict {
            self.1
                .lock()
                .unwrap()
                .push((side, method.clone(), uri.to_string()));
            self.0
        }

        fn ended(&self, _: &Uri) {
            self.2.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn send(
        verdict: Verdict,
    ) -> (
        Result<Response<Body>, BoxError>,
        Arc<AtomicUsize>,
        Arc<Always>,
    ) {
        let wire = Arc::new(Always(verdict, Mutex::default(), AtomicUsize::new(0)));
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let inner = tower::service_fn(move |_: Request<Body>| {
            let count = Arc::clone(&count);
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }
        });
        let service = WireLayer::new(Arc::clone(&wire) as Arc<dyn Wire>).layer(inner);
        let request = Request::put("/api/v1/namespaces/a/secrets/b")
            .body(Body::empty())
            .unwrap();
        (service.oneshot(request).await, sent, wire)
    }

    #[tokio::test]
    async fn a_passed_request_is_sent_and_answered() {
        let (answer, sent, wire) = send(Verdict::Pass).await;
        assert!(answer.is_ok());
        assert_eq!(sent.load(Ordering::SeqCst), 1);
        let seen = wire.1.lock().unwrap().clone();
        assert_eq!(
            seen,
            [(
                Side::Kube,
                Method::PUT,
                "/api/v1/namespaces/a/secrets/b".to_owned()
            )]
        );
    }

    #[tokio::test]
    async fn a_request_cut_before_is_not_sent() {
        let (answer, sent, _) = send(Verdict::Before).await;
        assert_eq!(
            answer.unwrap_err().downcast_ref::<Cut>(),
            Some(&Cut::Before)
        );
        assert_eq!(sent.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_lost_answer_was_sent() {
        let (answer, sent, _) = send(Verdict::Lost).await;
        assert_eq!(answer.unwrap_err().downcast_ref::<Cut>(), Some(&Cut::Lost));
        assert_eq!(sent.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_end_of_each_request_that_was_sent_is_told() {
        for (verdict, told) in [(Verdict::Pass, 1), (Verdict::Lost, 1), (Verdict::Before, 0)] {
            let (_, _, wire) = send(verdict).await;
            assert_eq!(wire.2.load(Ordering::SeqCst), told, "{verdict:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_request_is_sent_after_its_sender_gave_up() {
        let (answer, sent, _) = send(Verdict::Late(Duration::from_secs(40))).await;
        assert_eq!(answer.unwrap_err().downcast_ref::<Cut>(), Some(&Cut::Late));
        tokio::time::sleep(Duration::from_secs(39)).await;
        assert_eq!(sent.load(Ordering::SeqCst), 0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(sent.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn the_layer_fits_a_kubernetes_client() {
        let wire: Arc<dyn Wire> = Arc::new(Always(
            Verdict::Before,
            Mutex::default(),
            AtomicUsize::new(0),
        ));
        let inner = tower::service_fn(|_: Request<Body>| async {
            Ok::<_, BoxError>(Response::new(Body::empty()))
        });
        let client = kube::client::ClientBuilder::new(inner, "default")
            .with_layer(&WireLayer::new(wire))
            .build();
        assert!(client.apiserver_version().await.is_err());
    }

    #[test]
    fn watches_are_told_by_their_query() {
        for (uri, watch) in [
            ("/api/v1/pods?watch=true&timeoutSeconds=290", true),
            ("/api/v1/pods?limit=500&watch=1", true),
            ("/api/v1/pods?watch=false", false),
            ("/api/v1/pods?labelSelector=watch%3Dtrue", false),
            ("/api/v1/namespaces/watch", false),
        ] {
            assert_eq!(is_watch(&uri.parse().unwrap()), watch, "{uri}");
        }
    }
}
