//! Answers of the API server, no deeper than a reader of JSON goes.
//!
//! A policy document may hold any JSON, and the API server takes thousands of levels of it. Our reader gives up at 128, and with the whole
//! answer: one such object would hide every other of its kind, in lists and in watches. So what is nested deeper than [`LEVELS`] is
//! replaced by a text before anybody reads it. Nothing of ours is as deep as that, and what is left of such a document is refused for
//! being far too deep all the same.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use http::{Request, Response, header};
use http_body::{Body, Frame};
use kube::{Client, Config, client::ClientBuilder};
use tower::{BoxError, Layer, Service};

/// Levels of an answer that are kept, those of a list around its objects included. `serde_json` reads 127.
pub const LEVELS: usize = 100;

/// What stands in place of anything deeper, as JSON.
const CUT: &[u8] = b"\"(cooper reads no deeper)\"";

/// A client whose answers are shallow.
pub fn client(config: Config) -> kube::Result<Client> {
    Ok(ClientBuilder::try_from(config)?
        .with_layer(&Shallow)
        .build())
}

/// Puts itself behind a Kubernetes client: `ClientBuilder::with_layer(&Shallow)`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shallow;

impl<S> Layer<S> for Shallow {
    type Service = ShallowService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ShallowService(inner)
    }
}

/// The service that [`Shallow`] makes.
#[derive(Clone)]
pub struct ShallowService<S>(S);

impl<S, B, R> Service<Request<B>> for ShallowService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Future + Send + 'static,
    S::Error: Into<BoxError>,
{
    type Response = Response<Shallows<R>>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let sent = self.0.call(request);
        async move {
            let answer = sent.await.map_err(Into::into)?;
            let kind = answer.headers().get(header::CONTENT_TYPE);
            let is_json = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
            let reader = is_json.then(Reader::default);
            Ok(answer.map(|body| Shallows { body, reader }))
        }
        .boxed()
    }
}

/// A body whose depth has a limit.
pub struct Shallows<R> {
    body: R,
    /// None: it is no JSON.
    reader: Option<Reader>,
}

impl<R: Body<Data = Bytes> + Unpin> Body for Shallows<R> {
    type Data = Bytes;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, R::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let Some(reader) = &mut self.reader else {
            return frame;
        };
        frame.map_ok(|frame| frame.map_data(|bytes| reader.keep(bytes)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}

/// Where in a stream of JSON we are.
#[derive(Debug, Default)]
struct Reader {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Reader {
    /// The next bytes without what is too deep. Nothing is copied where nothing is cut.
    fn keep(&mut self, bytes: Bytes) -> Bytes {
        let mut kept: Option<Vec<u8>> = None;
        for (at, byte) in bytes.iter().enumerate() {
            let before = self.depth;
            self.read(*byte);
            let is_kept = before.max(self.depth) <= LEVELS;
            if !is_kept && kept.is_none() {
                kept = Some(bytes.slice(..at).to_vec());
            }
            let Some(kept) = &mut kept else { continue };
            if is_kept {
                kept.push(*byte);
            } else if before == LEVELS {
                kept.extend_from_slice(CUT);
            }
        }
        kept.map_or(bytes, Bytes::from)
    }

    fn read(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' if self.in_text => self.is_escaped = true,
            b'"' => self.in_text = !self.in_text,
            _ if self.in_text => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What is kept of a text that comes in pieces of this size.
    fn kept(text: &str, size: usize) -> String {
        let mut reader = Reader::default();
        let pieces = text.as_bytes().chunks(size);
        let kept = pieces.flat_map(|piece| reader.keep(Bytes::copy_from_slice(piece)));
        String::from_utf8(kept.collect()).unwrap()
    }

    fn nested(levels: usize) -> String {
        format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
    }

    #[test]
    fn what_is_not_too_deep_is_kept_to_the_letter() {
        let brackets = json!({"a": "[[[{{{\"]]\\", "b": ["\\\"{"], "c": "é\u{1f469}"}).to_string();
        for text in [
            nested(LEVELS),
            brackets.repeat(200),
            "no JSON at all: ]]]}".to_owned(),
        ] {
            for size in [1, 7, 100_000] {
                assert_eq!(kept(&text, size), text);
            }
        }
    }

    #[test]
    fn what_is_too_deep_is_cut_and_all_around_it_stays_readable() {
        for levels in [LEVELS + 1, 128, 10_000] {
            let text = format!(r#"{{"a": {}, "b": {{"c": "]"}}}}"#, nested(levels)).repeat(2);
            for size in [1, 7, 1_000_000] {
                let kept = kept(&text, size);
                let all: Vec<Value> = serde_json::Deserializer::from_str(&kept)
                    .into_iter()
                    .collect::<Result<_, _>>()
                    .unwrap();
                assert_eq!(all.len(), 2);
                assert!(all.iter().all(|one| one["b"]["c"] == "]"));
                assert!(kept.contains("cooper reads no deeper"));
            }
        }
    }
}
