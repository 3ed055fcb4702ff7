//! Hand-overs between threads and between processes, whole and torn.

use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::{Command, Stdio};
use std::thread;

use super::*;

/// Long enough for a starved machine; no test waits it out but those that say so.
const AMPLE: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(50);

/// A directory of ours, and the socket's path in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let directory =
        tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir().expect("temp");
    let path = directory.path().join("upgrade.sock");
    (directory, path)
}

fn tcp() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("loopback has a free port")
}

fn named(listeners: &[TcpListener]) -> Vec<(String, BorrowedFd<'_>)> {
    listeners.iter().enumerate().map(|(n, listener)| (format!("listener {n}"), listener.as_fd())).collect()
}

/// Runs the new process's side in a thread, with what it does once it holds the listeners.
fn successor<T: Send + 'static>(
    path: &Path,
    then: impl FnOnce(Received) -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    let waiting = Waiting::bind(path).expect("a safe place");
    thread::spawn(move || then(waiting.accept(AMPLE).expect("an old process that behaves")))
}

fn check_serves(listener: &TcpListener) {
    let address = listener.local_addr().expect("bound");
    let mut client = TcpStream::connect(address).expect("the listener is alive");
    let mut served = listener.accept().expect("the client waits").0;
    served.write_all(b"hello").expect("the client reads");
    drop(served);
    let mut heard = String::new();
    client.read_to_string(&mut heard).expect("the server writes");
    assert_eq!(heard, "hello");
}

#[test]
fn listeners_change_hands_and_no_waiting_connection_is_lost() {
    let (_directory, path) = place();
    let old = tcp();
    let address = old.local_addr().expect("bound");
    let new = successor(&path, |received| {
        received.ready.ready().expect("the old process agrees");
        received.listeners
    });
    let mut early = TcpStream::connect(address).expect("the old process listens");
    let handed = send(&path, &[(format!("listener {address}"), old.as_fd())], AMPLE).expect("handed");
    assert_eq!(handed.pid(), std::process::id());
    handed.wait_ready().expect("the new process serves");
    drop(old);
    let mut listeners = new.join().expect("the new process lives");
    let listener = TcpListener::from(listeners.remove(&format!("listener {address}")).expect("by its name"));
    // Connected before the old one closed, accepted by the new one.
    listener.accept().expect("still in the queue").0.write_all(b"!").expect("open");
    early.read_exact(&mut [0]).expect("answered");
    check_serves(&listener);
    assert!(!path.exists(), "the socket's file is gone");
}

#[test]
fn many_listeners_keep_their_names() {
    for count in [0, 1, 31, 32, 33, 100] {
        let (_directory, path) = place();
        let listeners: Vec<_> = (0..count).map(|_| tcp()).collect();
        let new = successor(&path, |received| {
            received.ready.ready().expect("the old process agrees");
            received.listeners
        });
        send(&path, &named(&listeners), AMPLE).expect("handed").wait_ready().expect("ready");
        let received = new.join().expect("the new process lives");
        assert_eq!(received.len(), count);
        for (n, own) in listeners.iter().enumerate() {
            let theirs = received[&format!("listener {n}")].try_clone().expect("a descriptor");
            assert_eq!(TcpListener::from(theirs).local_addr().ok(), own.local_addr().ok());
        }
    }
}

#[test]
fn with_nobody_waiting_the_old_process_hears_so() {
    let (directory, path) = place();
    let error = send(&path, &[], AMPLE).expect_err("nobody waits");
    assert!(matches!(error, HandoverError::NobodyWaiting { .. }), "{error:?}");
    assert!(error.to_string().contains("run --upgrade"), "{error}");
    let missing = directory.path().join("missing/upgrade.sock");
    assert!(matches!(send(&missing, &[], AMPLE), Err(HandoverError::NobodyWaiting { .. })));
    drop(UnixListener::bind(&path).expect("bound")); // Leaves a stale file.
    assert!(matches!(send(&path, &[], AMPLE), Err(HandoverError::NobodyWaiting { .. })));
}

#[test]
fn a_successor_that_ends_before_it_serves_leaves_the_old_one_serving() {
    let (_directory, path) = place();
    let old = tcp();
    let new = successor(&path, drop);
    let handed = send(&path, &named(std::slice::from_ref(&old)), AMPLE).expect("handed");
    let error = handed.wait_ready().expect_err("it never served");
    assert!(matches!(error, HandoverError::Gone { .. }), "{error:?}");
    new.join().expect("joined");
    check_serves(&old);
}

#[test]
fn a_successor_that_declines_is_heard() {
    let (_directory, path) = place();
    let new = successor(&path, |received| received.ready.refuse("port 8443 is taken"));
    let error = send(&path, &[], AMPLE).expect("handed").wait_ready().expect_err("declined");
    assert!(matches!(&error, HandoverError::Refused { why } if why == "port 8443 is taken"), "{error:?}");
    new.join().expect("joined");

    let new = successor(&path, |received| received.ready.refuse(&"ü".repeat(2000)));
    let error = send(&path, &[], AMPLE).expect("handed").wait_ready().expect_err("declined");
    assert!(matches!(&error, HandoverError::Refused { why } if *why == "ü".repeat(512)), "{error:?}");
    new.join().expect("joined");
}

#[test]
fn a_successor_that_dawdles_is_given_up_and_learns_it() {
    let (_directory, path) = place();
    let (gave_up, told) = std::sync::mpsc::channel();
    let new = successor(&path, move |received| {
        let () = told.recv().expect("told");
        received.ready.ready()
    });
    let error = send(&path, &[], SHORT).expect("handed").wait_ready().expect_err("too late");
    assert!(matches!(error, HandoverError::TimedOut { .. }), "{error:?}");
    gave_up.send(()).expect("it waits");
    let error = new.join().expect("joined").expect_err("nobody agreed");
    assert!(matches!(error, HandoverError::Gone { .. }), "{error:?}");
}

#[test]
fn an_old_process_that_never_comes_ends_the_wait() {
    let (_directory, path) = place();
    let error = receive(&path, SHORT).expect_err("nobody came");
    assert!(matches!(error, HandoverError::TimedOut { .. }), "{error:?}");
    assert!(!path.exists(), "the socket's file is gone");
}

#[test]
fn a_visitor_who_says_nothing_sensible_is_sent_away_and_the_wait_goes_on() {
    let (_directory, path) = place();
    let new = successor(&path, |received| received.ready.ready().is_ok());
    drop(UnixStream::connect(&path).expect("it waits"));
    let mut noisy = UnixStream::connect(&path).expect("it waits");
    noisy.write_all(&[0xFF; 64]).expect("read");
    assert_eq!(noisy.read(&mut [0; 8]).unwrap_or(0), 0, "sent away");
    send(&path, &[], AMPLE).expect("handed").wait_ready().expect("ready");
    assert!(new.join().expect("joined"));
}

#[test]
fn what_is_no_listening_socket_is_not_taken() {
    let (_directory, path) = place();
    let waiting = Waiting::bind(&path).expect("a safe place");
    let new =
        thread::spawn(move || waiting.accept(Duration::from_secs(2)).map(|received| received.listeners));
    let file = fs::File::open("/dev/null").expect("there");
    let error = send(&path, &[("listener".into(), file.as_fd())], AMPLE)
        .and_then(Handed::wait_ready)
        .expect_err("not taken");
    assert!(matches!(error, HandoverError::Gone { .. }), "{error:?}");
    let error = new.join().expect("joined").expect_err("not taken");
    assert!(matches!(error, HandoverError::Protocol(_)), "{error:?}");
}

#[test]
fn two_listeners_of_one_name_are_not_taken() {
    let (_directory, path) = place();
    let (one, two) = (tcp(), tcp());
    let waiting = Waiting::bind(&path).expect("a safe place");
    let new =
        thread::spawn(move || waiting.accept(Duration::from_secs(2)).map(|received| received.listeners));
    let both = [("same".to_owned(), one.as_fd()), ("same".to_owned(), two.as_fd())];
    assert!(send(&path, &both, AMPLE).and_then(Handed::wait_ready).is_err());
    assert!(matches!(new.join().expect("joined"), Err(HandoverError::Protocol(_))));
}

fn check_unsafe(path: &Path, expected: &str) {
    for error in [Waiting::bind(path).err(), send(path, &[], AMPLE).err()] {
        let error = error.expect("refused");
        assert!(matches!(error, HandoverError::Unsafe { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_directory_that_others_may_enter_is_refused() {
    for mode in [0o750, 0o701, 0o770, 0o777, 0o1777] {
        let (directory, path) = place();
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).expect("ours");
        check_unsafe(&path, "chmod 700");
        assert!(!path.exists());
    }
}

#[test]
fn a_directory_behind_a_symbolic_link_is_refused() {
    let (directory, _) = place();
    let real = directory.path().join("real");
    fs::create_dir(&real).expect("made");
    fs::set_permissions(&real, Permissions::from_mode(0o700)).expect("ours");
    let link = directory.path().join("link");
    symlink(&real, &link).expect("linked");
    check_unsafe(&link.join("upgrade.sock"), "symbolic link");
}

#[test]
fn a_directory_of_somebody_else_is_refused() {
    // Root's, unless we are root: then one that belongs to nobody in particular.
    let (directory, path) = place();
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(directory.path(), Some(12_345), None).expect("root may");
        check_unsafe(&path, "belongs to another user");
    } else {
        check_unsafe(Path::new("/root/upgrade.sock"), "belongs to another user");
    }
}

#[test]
fn the_directory_is_made_for_us_alone_and_so_is_the_socket() {
    let (directory, _) = place();
    let path = directory.path().join("run/upgrade.sock");
    let waiting = Waiting::bind(&path).expect("made");
    let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o7777;
    assert_eq!(mode(&directory.path().join("run")), 0o700);
    assert_eq!(mode(&path), 0o600);
    drop(waiting);
    assert!(!path.exists());
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_or_a_file_is_not() {
    let (_directory, path) = place();
    drop(UnixListener::bind(&path).expect("bound"));
    let waiting = Waiting::bind(&path).expect("the stale one was replaced");
    assert!(matches!(Waiting::bind(&path), Err(HandoverError::AlreadyWaiting { .. })));
    drop(waiting);
    fs::write(&path, "precious").expect("written");
    assert!(matches!(Waiting::bind(&path), Err(HandoverError::Unsafe { .. })));
    assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
}

/// Where the children below find the socket; without it they do nothing.
const CHILD_SOCKET: &str = "MCPHUB_TEST_UPGRADE_SOCKET";

fn child(name: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this test"));
    let module = module_path!().split_once("::").expect("inside a crate").1;
    command.args(["--exact", &format!("{module}::{name}"), "--ignored"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
#[ignore = "the other process of the test below"]
fn child_takes_the_listeners_and_hangs() {
    let Some(path) = std::env::var_os(CHILD_SOCKET) else { return };
    let received = receive(Path::new(&path), AMPLE).expect("an old process");
    thread::park();
    drop(received);
}

#[test]
fn a_killed_successor_leaves_the_old_one_serving() {
    let (_directory, path) = place();
    let old = tcp();
    let mut new =
        child("child_takes_the_listeners_and_hangs").env(CHILD_SOCKET, &path).spawn().expect("started");
    let sockets = named(std::slice::from_ref(&old));
    let handed = loop {
        match send(&path, &sockets, AMPLE) {
            Err(HandoverError::NobodyWaiting { .. } | HandoverError::Gone { .. }) => {
                assert!(matches!(new.try_wait(), Ok(None)), "the child ended");
                thread::yield_now();
            }
            other => break other.expect("handed"),
        }
    };
    assert_eq!(handed.pid(), new.id());
    new.kill().expect("it lives");
    new.wait().expect("it ends");
    let error = handed.wait_ready().expect_err("it never served");
    assert!(matches!(error, HandoverError::Gone { .. }), "{error:?}");
    check_serves(&old);
}

#[test]
#[ignore = "the other process of the test below"]
fn child_serves_on_what_it_was_given() {
    let Ok(expected) = std::env::var(CHILD_SOCKET) else { return };
    let mut listeners = take_activated().expect("listening sockets");
    let (address, listener) = listeners.pop().expect("one");
    assert_eq!((address.to_string(), listeners.len()), (expected, 0));
    listener.accept().expect("a client").0.write_all(b"activated").expect("it reads");
}

#[test]
fn a_service_managers_socket_is_taken_from_the_environment() {
    let listener = tcp();
    let address = listener.local_addr().expect("bound");
    let test = child("child_serves_on_what_it_was_given");
    let mut shell = Command::new("sh");
    // As systemd does it: descriptor 3, and the variables name the process that is to use it.
    shell.args(["-c", "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\""]);
    shell.arg(test.get_program()).args(test.get_args()).env(CHILD_SOCKET, address.to_string());
    let mut new = shell.stdin(OwnedFd::from(listener)).stdout(Stdio::null()).spawn().expect("started");
    // Only the child holds the socket now: `Command` owns our copy, and keeps it until dropped.
    drop(shell);
    let mut heard = String::new();
    let mut client = TcpStream::connect(address).expect("the socket lives in the child");
    client.read_to_string(&mut heard).expect("answered");
    assert_eq!(heard, "activated");
    assert!(new.wait().expect("it ends").success());
}

#[test]
fn without_a_service_manager_nothing_is_taken() {
    assert_eq!(take_activated().expect("nothing to refuse").len(), 0);
}
