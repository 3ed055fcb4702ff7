//! What does a new TLS connection cost, its one request included?
//!
//! One after the other, each with a full handshake.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::tally::{Clocks, Tally};
use super::{Plan, Run, client, tls};
use crate::http;
use crate::wire::ID_FIRST;
use crate::wire::Template;

/// Connections before the window.
const WARMUP: u32 = 50;
/// Connections of the window. Their ports wait for a minute afterwards; a loopback address has 28,000.
const COUNT: u32 = 2_000;

pub(super) fn run(plan: &Plan) -> Result<Run> {
    let config = tls::config(plan, b"http/1.1")?;
    let mut tally = Tally::new(plan)?;
    let (step, _) = plan.case.steps()[0];
    let mut request = step.request(plan.case.era(), &plan.target.to_string(), None);
    let mut connect = |tally: &mut Tally, n: u32| -> Result<()> {
        let began = Instant::now();
        match one(plan, &config, &mut request, tally, ID_FIRST + n) {
            Ok(()) => tally.right(began.elapsed().as_micros()),
            Err(error) => tally.error(&error)?,
        }
        Ok(())
    };
    for n in 0..WARMUP {
        connect(&mut tally, n)?;
    }
    let before = Clocks::read(plan)?;
    tally.open();
    let began = Instant::now();
    for n in 0..COUNT {
        connect(&mut tally, WARMUP + n)?;
    }
    let seconds = began.elapsed().as_secs_f64();
    let after = Clocks::read(plan)?;
    Ok(tally.close(&before, &after, seconds))
}

fn one(
    plan: &Plan,
    config: &Arc<ClientConfig>,
    request: &mut Template,
    tally: &mut Tally,
    id: u32,
) -> Result<()> {
    let connection =
        ClientConnection::new(Arc::clone(config), tls::name()).context("beginning a handshake")?;
    let mut stream = StreamOwned::new(connection, client::open(plan.target)?);
    request.fill(id);
    stream.write_all(request.bytes()).context("writing a request")?;
    let (mut buffer, mut filled) = ([0; 4096], 0);
    loop {
        let read = stream.read(&mut buffer[filled..]).context("reading an answer")?;
        ensure!(
            read > 0,
            "the endpoint closed the connection, or an answer of more than {} bytes",
            buffer.len()
        );
        filled += read;
        if let Some(answer) = http::response(&buffer[..filled], &mut tally.scratch)? {
            client::check(&answer, &mut tally.expected[0], id)?;
            break;
        }
    }
    stream.conn.send_close_notify();
    let _ = stream.flush();
    Ok(())
}
