//! Counts the requests of a Kubernetes client.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use futures::{FutureExt, future::BoxFuture};
use http::{Method, Request, Response, Uri};
use tower::{BoxError, Layer, Service};

use super::Metrics;
use crate::{engine::trace, wire::is_watch};

impl Metrics {
    fn asked(&self, method: &Method, uri: &Uri, code: u16, began: Instant) {
        let (resource, took) = (resource(uri.path()), began.elapsed());
        trace::asked_kubernetes(method, resource, code, took);
        let labels = [
            ("method", method.as_str().to_owned()),
            ("resource", resource.to_owned()),
            ("code", code.to_string()),
            ("dry_run", is_dry(uri).to_string()),
        ];
        self.kube_requests.get_or_create(&labels).inc();
        if !is_watch(uri) {
            let labels = [("method", method.as_str().to_owned())];
            self.kube_duration
                .get_or_create(&labels)
                .observe(took.as_secs_f64());
        }
    }
}

fn is_dry(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    query.split('&').any(|pair| pair == "dryRun=All")
}

/// The plural that a path is about: the segment after the version, or after the namespace.
fn resource(path: &str) -> &str {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let skipped = match segments.next() {
        Some("api") => 1,
        Some("apis") => 2,
        _ => return "other",
    };
    let mut rest = segments.skip(skipped);
    match rest.next() {
        Some("namespaces") => match (rest.next(), rest.next()) {
            (Some(_), Some(resource)) => resource,
            _ => "namespaces",
        },
        Some(resource) => resource,
        None => "other",
    }
}

/// Puts the count in front of a Kubernetes client.
#[derive(Clone)]
pub struct MeterLayer(pub Arc<Metrics>);

impl<S> Layer<S> for MeterLayer {
    type Service = MeterService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MeterService {
            metrics: Arc::clone(&self.0),
            inner,
        }
    }
}

/// The service that [`MeterLayer`] makes.
#[derive(Clone)]
pub struct MeterService<S> {
    metrics: Arc<Metrics>,
    inner: S,
}

impl<S, A, B> Service<Request<A>> for MeterService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<B>, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (metrics, began) = (Arc::clone(&self.metrics), Instant::now());
        let answer = self.inner.call(request);
        async move {
            let answer = answer.await.map_err(Into::into);
            let code = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
            metrics.asked(&method, &uri, code, began);
            answer
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_about_a_plural_and_never_about_a_name() {
        for (path, plural) in [
            ("/api/v1/namespaces/team-a/secrets/s", "secrets"),
            ("/api/v1/namespaces/team-a", "namespaces"),
            ("/apis/upcloud.cooper.dev/v1alpha1/iamusers", "iamusers"),
            (
                "/apis/upcloud.cooper.dev/v1alpha1/namespaces/a/iamusers/b/status",
                "iamusers",
            ),
            (
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x",
                "customresourcedefinitions",
            ),
            ("/version", "other"),
            ("/apis", "other"),
        ] {
            assert_eq!(resource(path), plural, "{path}");
        }
    }
}
