//! A NATS server of a test's own: Debian's `nats-server`, on a free port, with JetStream in a folder that goes with it.

use super::*;
use crate::clock;
use rustix::process::{Pid, Signal, kill_process};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

pub(super) struct Server {
    directory: tempfile::TempDir,
    port: u16,
    child: Option<Child>,
    arguments: Vec<String>,
}

impl Server {
    /// One that answers.
    pub(super) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(super) fn start_with(arguments: &[&str]) -> Self {
        let mut server = Self::absent();
        server.arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        server.revive();
        server
    }

    /// A place where there will be one.
    pub(super) fn absent() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a free port").port();
        let directory = tempfile::tempdir().expect("a directory");
        Self { directory, port, child: None, arguments: Vec::new() }
    }

    /// Starts it on what the last one has left.
    pub(super) fn revive(&mut self) {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let places = std::env::split_paths(&paths).chain([PathBuf::from("/usr/sbin")]);
        let program = places.map(|place| place.join("nats-server")).find(|path| path.exists());
        let program = program.expect("nats-server is there: tests/tools/install.sh nats");
        let child = Command::new(program)
            .args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream", "--store_dir"])
            .arg(self.directory.path())
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nats-server starts");
        self.child = Some(child);
        let begun = clock::instant();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "nats-server does not listen");
            std::thread::yield_now();
        }
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).expect("it runs");
    }

    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.child.take().expect("it runs").wait().expect("it has ended");
    }

    /// It keeps its connections and answers nothing.
    pub(super) fn freeze(&self) {
        self.signal(Signal::STOP);
        // Each of its threads stops when its turn comes: until the last one has, it may answer.
        let begun = clock::instant();
        while !self.is_frozen() {
            assert!(begun.elapsed() < PATIENCE, "nats-server does not stop");
            std::thread::yield_now();
        }
    }

    fn is_frozen(&self) -> bool {
        let child = self.child.as_ref().expect("it runs");
        let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).expect("it runs");
        tasks.flatten().all(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
            // The state follows the name, which stands in parentheses and may hold anything.
            stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['T', 't']))
        })
    }

    pub(super) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    pub(super) fn settings(&self) -> NatsSettings {
        NatsSettings {
            urls: vec![format!("nats://127.0.0.1:{}", self.port)],
            bucket: "mcphub-sessions".to_owned(),
            replicas: 1,
            credentials_file: None,
        }
    }

    /// Writes a file with what to log in with.
    pub(super) fn credentials(&self, text: &str) -> NatsSettings {
        let file = self.directory.path().join("login");
        std::fs::write(&file, text).expect("room");
        NatsSettings { credentials_file: Some(file), ..self.settings() }
    }

    /// A gateway's view, when it knows all there is.
    pub(super) async fn records(&self) -> Records {
        let records = Records::nats(&self.settings());
        assert!(records.known(PATIENCE).await, "{records:?}");
        records
    }

    /// The bucket, as somebody else gets at it.
    pub(super) async fn bucket(&self) -> async_nats::jetstream::kv::Store {
        let client = async_nats::connect(&self.settings().urls[0]).await.expect("it answers");
        let context = async_nats::jetstream::new(client);
        context.get_key_value(&self.settings().bucket).await.expect("a bucket")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}
