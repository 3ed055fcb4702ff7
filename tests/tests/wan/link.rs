//! Does the WAN do what it is told?

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mcphub_tests::wan::{Conditions, Site, Way};
use mcphub_tests::{Hub, exchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};

use crate::on_two_threads;

/// A wait that only ends when nothing more will come.
const QUIET: Duration = Duration::from_secs(2);

/// Sends datagrams back from the far end of a link, and counts them.
struct Echo {
    address: SocketAddr,
    heard: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Echo {
    fn start(site: &Site) -> Self {
        let address = SocketAddr::from((site.address(), 7));
        let socket = site.inside(|| std::net::UdpSocket::bind(address)).expect("the site").expect("a socket");
        socket.set_nonblocking(true).expect("a socket that can be waited on");
        let socket = UdpSocket::from_std(socket).expect("a socket that can be waited on");
        let heard = Arc::new(AtomicU64::new(0));
        let count = heard.clone();
        let task = tokio::spawn(async move {
            let mut buffer = [0_u8; 64];
            while let Ok((size, from)) = socket.recv_from(&mut buffer).await {
                count.fetch_add(1, Ordering::Relaxed);
                let _ = socket.send_to(&buffer[..size], from).await;
            }
        });
        Self { address, heard, task }
    }

    fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Sends that many datagrams, that far apart, and gives back what came back, in the order in which it came: the
    /// number and the round trip.
    async fn ping(&self, count: u32, apart: Duration) -> Vec<(u32, Duration)> {
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.expect("a socket"));
        socket.connect(self.address).await.expect("a route");
        let start = Instant::now();
        let sender = socket.clone();
        let sending = async move {
            let mut pace = tokio::time::interval(apart);
            // After a stall no burst, which would fill the buffers of sockets.
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for number in 0..count {
                pace.tick().await;
                let sent = u64::try_from(start.elapsed().as_micros()).expect("a short test");
                let datagram = [&number.to_be_bytes()[..], &sent.to_be_bytes()].concat();
                sender.send(&datagram).await.expect("room for a datagram");
            }
        };
        let receiving = async {
            let mut came = Vec::new();
            let mut buffer = [0_u8; 64];
            while came.len() < count as usize {
                let Ok(size) = timeout(QUIET, socket.recv(&mut buffer)).await else { break };
                assert_eq!(size.expect("a datagram"), 12, "what came back is what was sent");
                let number = u32::from_be_bytes(buffer[..4].try_into().expect("four bytes"));
                let sent = u64::from_be_bytes(buffer[4..12].try_into().expect("eight bytes"));
                came.push((number, start.elapsed() - Duration::from_micros(sent)));
            }
            came
        };
        tokio::join!(sending, receiving).1
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Bounds that chance leaves once in a million tests at most: five standard deviations of a binomial distribution.
fn bounds(count: u64, share: f64) -> std::ops::RangeInclusive<f64> {
    let count = count as f64;
    let (mean, deviation) = (count * share, (count * share * (1.0 - share)).sqrt());
    mean - 5.0 * deviation..=mean + 5.0 * deviation
}

/// A packet is under way no shorter than it was told to be, however busy the machine; and some are quick.
pub(crate) fn delays_and_keeps_the_order() {
    on_two_threads(async {
        let site = Site::new().expect("a site");
        let echo = Echo::start(&site);
        for (mean, jitter) in [(0, 0), (40, 0), (40, 20)] {
            site.set(Conditions::delay(mean, jitter));
            let came = echo.ping(300, Duration::from_millis(10)).await;
            assert!(came.is_sorted_by_key(|(number, _)| *number), "packets overtake each other");
            let mut trips: Vec<_> = came.into_iter().map(|(_, trip)| trip).collect();
            trips.sort_unstable();
            let [fastest, median, slowest] = [0, trips.len() / 2, trips.len() - 1].map(|n| trips[n]);
            println!("{mean}±{jitter} ms each way: round trips {fastest:.1?}, {median:.1?}, {slowest:.1?}");
            assert_eq!(trips.len(), 300, "nothing is lost");
            assert!(fastest >= Duration::from_millis(2 * (mean - jitter)), "{fastest:?}");
            assert!(fastest <= Duration::from_millis(2 * (mean + jitter) + 20), "{fastest:?}");
        }
    });
}

pub(crate) fn loses_at_its_rate() {
    on_two_threads(async {
        let site = Site::new().expect("a site");
        let echo = Echo::start(&site);
        for share in [0.01, 0.05] {
            site.set(Conditions::default().loss(share));
            let before = (echo.heard(), site.traffic());
            let came = echo.ping(3_000, Duration::from_millis(1)).await.len() as u64;
            let heard = echo.heard() - before.0;
            let [there, back] = site.traffic();
            let lost = [there.lost - before.1[0].lost, back.lost - before.1[1].lost];
            println!(
                "{share} lost each way: of 3000 there {}, of {heard} back {}; {came} came",
                lost[0], lost[1]
            );
            assert!(bounds(3_000, share).contains(&(lost[0] as f64)), "{lost:?}");
            assert!(bounds(heard, share).contains(&(lost[1] as f64)), "{lost:?}");
            // The sockets of a starved machine may lose a few more.
            let otherwise = 3_000 - came - lost[0] - lost[1];
            assert!(otherwise <= 30, "{otherwise} more are gone");
        }
    });
}

pub(crate) fn cut_and_healed() {
    on_two_threads(async {
        let site = Site::new().expect("a site");
        site.set(Conditions::delay(5, 0));
        let echo = Echo::start(&site);
        let some = async || echo.ping(20, Duration::from_millis(5)).await.len();
        for (way, heard) in [(Way::Both, 0), (Way::There, 0), (Way::Back, 20)] {
            assert_eq!(some().await, 20);
            let before = (echo.heard(), site.traffic());
            site.cut(way);
            assert_eq!(some().await, 0, "{way:?}");
            assert_eq!(echo.heard() - before.0, heard, "{way:?}");
            let [there, back] = site.traffic();
            let vanished = [there.cut - before.1[0].cut, back.cut - before.1[1].cut];
            assert_eq!(vanished, if heard == 0 { [20, 0] } else { [0, 20] }, "{way:?}");
            site.heal();
        }
        assert_eq!(some().await, 20);

        // What is under way when the link is cut is gone, too.
        site.set(Conditions::delay(300, 0));
        let before = echo.heard();
        let ping = async { echo.ping(5, Duration::from_millis(1)).await.len() };
        let cut = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            site.cut(Way::Both);
        };
        assert_eq!((tokio::join!(ping, cut).0, echo.heard()), (0, before));
    });
}

/// The far end is a real process, and a stream of bytes comes out of a bad link as it went in.
pub(crate) fn connections_survive_loss() {
    on_two_threads(async {
        let site = Site::new().expect("a site");
        site.set(Conditions::delay(3, 2).loss(0.01));
        let hub = Hub::start_in(&site, "far", "us-east", &[]).await.expect("a hub at the site");
        let answer = exchange(hub.address(), "GET", "/counters", "").await.expect("an answer");
        assert_eq!(answer.status, 200);

        let address = SocketAddr::from((site.address(), 9));
        let listener =
            site.inside(|| std::net::TcpListener::bind(address)).expect("the site").expect("a port");
        listener.set_nonblocking(true).expect("a listener that can be waited on");
        let listener = TcpListener::from_std(listener).expect("a listener that can be waited on");
        let sent: Vec<u8> = (0..2_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        let copy = sent.clone();
        let sending = tokio::spawn(async move {
            let mut client = TcpStream::connect(address).await.expect("a connection");
            client.write_all(&copy).await.expect("sent");
        });
        let (mut stream, from) = listener.accept().await.expect("a connection");
        assert_eq!(from.ip(), site.our_address(), "there is one way to the site");
        let mut came = Vec::new();
        stream.read_to_end(&mut came).await.expect("received");
        sending.await.expect("sent");
        assert!(came == sent, "{} bytes of {} came as they were", came.len(), sent.len());
        let [there, back] = site.traffic();
        println!("2 MB: {there:?} there, {back:?} back");
        assert!(there.lost > 0 && there.carried > 1_000, "{there:?}");
    });
}
