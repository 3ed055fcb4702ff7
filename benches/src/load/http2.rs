//! What does a request cost over HTTP/2?
//!
//! A few connections with several streams each, as browsers and SDKs have them. Each stream is a closed loop.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;

use super::tally::{Clocks, Tally};
use super::{Plan, Run, client, tls};
use crate::http as messages;
use crate::wire::{ID_FIRST, PATH, Template, requests};

/// Streams at once on one connection.
const STREAMS: usize = 8;
/// Longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);

pub(super) fn run(plan: &Plan) -> Result<Run> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("making a runtime")?;
    let (tally, before, after, seconds) = runtime.block_on(LocalSet::new().run_until(measure(plan)))?;
    let tally = Rc::into_inner(tally).context("ending the streams")?.into_inner();
    Ok(tally.close(&before, &after, seconds))
}

async fn measure(plan: &Plan) -> Result<(Rc<RefCell<Tally>>, Clocks, Clocks, f64)> {
    let tally = Rc::new(RefCell::new(Tally::new(plan)?));
    let mut tasks = Vec::new();
    for _ in 0..plan.connections.div_ceil(STREAMS) {
        let (sender, connection) = connect(plan).await?;
        tasks.push(connection);
        for stream in 0..STREAMS {
            let stream = Stream::new(plan, sender.clone(), stream)?;
            tasks.push(tokio::task::spawn_local(stream.repeat(Rc::clone(&tally))));
        }
    }
    tokio::time::sleep(plan.warmup).await;
    let before = Clocks::read(plan)?;
    tally.borrow_mut().open();
    let began = Instant::now();
    tokio::time::sleep(plan.window).await;
    let after = Clocks::read(plan)?;
    let seconds = began.elapsed().as_secs_f64();
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        // A stream that ended by itself has told its error.
        let _ = task.await;
    }
    Ok((tally, before, after, seconds))
}

async fn connect(plan: &Plan) -> Result<(SendRequest<Bytes>, tokio::task::JoinHandle<()>)> {
    let tcp =
        TcpStream::connect(plan.target).await.with_context(|| format!("connecting to {}", plan.target))?;
    tcp.set_nodelay(true).context("setting TCP_NODELAY")?;
    let connector = TlsConnector::from(tls::config(plan, b"h2")?);
    let stream = connector.connect(tls::name(), tcp).await.context("making a TLS handshake")?;
    ensure!(stream.get_ref().1.alpn_protocol() == Some(b"h2"), "the endpoint does not speak HTTP/2");
    let (sender, connection) = h2::client::handshake(stream).await.context("beginning HTTP/2")?;
    let driven = tokio::task::spawn_local(async move {
        // Its end is seen by every stream.
        let _ = connection.await;
    });
    Ok((sender, driven))
}

/// One closed loop.
struct Stream {
    sender: SendRequest<Bytes>,
    head: Request<()>,
    request: Template,
    id: u32,
}

impl Stream {
    fn new(plan: &Plan, sender: SendRequest<Bytes>, number: usize) -> Result<Self> {
        let (step, _) = plan.case.steps()[0];
        let authority = plan.target.to_string();
        let mut head = Request::builder()
            .method(Method::POST)
            .uri(format!("https://{authority}{PATH}"))
            .header("user-agent", "mcphub-bench/0.1")
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in requests::modern_fields(step) {
            head = head.header(name, value);
        }
        let request = step.request(plan.case.era(), &authority, None);
        // Streams of one connection do not share ids: a million each.
        let id = ID_FIRST + 1_000_000 * u32::try_from(number).context("counting streams")?;
        Ok(Self { sender, head: head.body(()).context("making a request")?, request, id })
    }

    async fn repeat(mut self, tally: Rc<RefCell<Tally>>) {
        loop {
            let began = Instant::now();
            self.id += 1;
            let outcome = tokio::time::timeout(ANSWER_MAX, self.once(&tally)).await;
            let outcome = outcome.context("waiting for an answer").flatten();
            let mut tally = tally.borrow_mut();
            match outcome {
                Ok(()) => tally.right(began.elapsed().as_micros()),
                Err(error) => {
                    // The loop of this stream ends here; its error fails the run.
                    let _ = tally.error(&error);
                    return;
                }
            }
        }
    }

    async fn once(&mut self, tally: &Rc<RefCell<Tally>>) -> Result<()> {
        self.request.fill(self.id);
        let body = Bytes::copy_from_slice(self.request.body());
        let sender = self.sender.clone().ready().await.context("waiting for a stream")?;
        self.sender = sender;
        let (answer, mut upload) =
            self.sender.send_request(self.head.clone(), false).context("sending a request")?;
        upload.send_data(body, true).context("sending a body")?;
        let answer = answer.await.context("waiting for an answer")?;
        let status = answer.status().as_u16();
        let mut incoming = answer.into_body();
        let mut body = Vec::new();
        while let Some(piece) = incoming.data().await {
            let piece = piece.context("reading an answer")?;
            incoming.flow_control().release_capacity(piece.len()).context("making room for more")?;
            body.extend_from_slice(&piece);
        }
        let message = messages::Message {
            method: "",
            status,
            session: None,
            body: &body,
            len: body.len(),
            closes: false,
        };
        client::check(&message, &mut tally.borrow_mut().expected[0], self.id)
    }
}
