//! Where does a far hub stand, and what lies between?

use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, anyhow};
use nix::sched::{CloneFlags, setns, unshare};
use tokio::sync::oneshot;
use tun_rs::{AsyncDevice, DeviceBuilder, SyncDevice};

use super::lane::{Conditions, Lane, Traffic};
use super::sandbox::{self, LOOPBACK_UP};

/// Packets that wait in a device for the forwarder, when the machine is busy: many more than any test has under way.
const DEVICE_QUEUE: u32 = 5_000;

/// A direction of a link, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From where the test runs to the site.
    There,
    /// From the site to where the test runs.
    Back,
    /// Both.
    Both,
}

/// A place with a network of its own, at the far end of a link.
///
/// When it is dropped the link ends; the namespace ends with the last process in it, all of which end with the sandbox.
#[derive(Debug)]
pub struct Site {
    namespace: OwnedFd,
    here: Ipv4Addr,
    there: Ipv4Addr,
    lanes: Arc<Lanes>,
    stop: Option<oneshot::Sender<()>>,
    forwarder: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Lanes {
    there: Lane,
    back: Lane,
}

impl Site {
    /// A new site and a clear link to it. Only within a sandbox, see [`super::run`].
    pub fn new() -> anyhow::Result<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        if !sandbox::is_inside() {
            return Err(anyhow!("a site needs a sandbox around it"));
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // 198.18.0.0/15 is set aside for tests of networks (RFC 2544).
        let [here, there] = [1, 2].map(|end| Ipv4Addr::new(198, 18, number, end));
        let namespace = on_a_thread(new_namespace)?.context("make a network namespace")?;
        let near = device(&format!("wan{number}"), here, there)?;
        let far = within(&namespace, || {
            sandbox::ip(LOOPBACK_UP)?;
            device("wan", there, here)
        })??;
        let lanes = Arc::new(Lanes::default());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let forwarder = {
            let lanes = lanes.clone();
            let forward = move || runtime.block_on(forward(near, far, &lanes, u64::from(number), stopped));
            std::thread::Builder::new().name(format!("wan{number}")).spawn(forward)?
        };
        Ok(Self { namespace, here, there, lanes, stop: Some(stop), forwarder: Some(forwarder) })
    }

    /// The site's address.
    pub fn address(&self) -> Ipv4Addr {
        self.there
    }

    /// Our address, as the site sees it.
    pub fn our_address(&self) -> Ipv4Addr {
        self.here
    }

    /// Sets the weather of both directions. What is under way already keeps its time.
    pub fn set(&self, conditions: Conditions) {
        self.lanes.there.set(conditions);
        self.lanes.back.set(conditions);
    }

    /// Cuts these directions: packets vanish, and nobody is told.
    pub fn cut(&self, way: Way) {
        self.each(way, |lane| lane.set_cut(true));
    }

    /// Ends every cut.
    pub fn heal(&self) {
        self.each(Way::Both, |lane| lane.set_cut(false));
    }

    /// What has become of the packets that went there, and of those that came back.
    pub fn traffic(&self) -> [Traffic; 2] {
        [self.lanes.there.traffic(), self.lanes.back.traffic()]
    }

    fn each(&self, way: Way, act: impl Fn(&Lane)) {
        if way != Way::Back {
            act(&self.lanes.there);
        }
        if way != Way::There {
            act(&self.lanes.back);
        }
    }

    /// Does something on the spot: sockets opened and processes started by `act` belong to the site for good.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
        within(&self.namespace, act)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(forwarder) = self.forwarder.take() {
            let failed = forwarder.join().is_err();
            assert!(!failed || std::thread::panicking(), "the forwarder of a link has failed");
        }
    }
}

/// Runs on a thread of its own: a thread's namespace is its own affair, and never changes back.
fn on_a_thread<T: Send>(act: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Handle::try_current().ok();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let _within = runtime.as_ref().map(tokio::runtime::Handle::enter);
            act()
        });
        thread.join().map_err(|_| anyhow!("what was done on another thread has panicked"))
    })
}

fn within<T: Send>(namespace: &OwnedFd, act: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    on_a_thread(|| {
        setns(namespace, CloneFlags::CLONE_NEWNET).context("enter a network namespace")?;
        Ok(act())
    })?
}

/// Leaves this thread in a new network, and gives back a handle that keeps it alive.
pub(super) fn new_namespace() -> anyhow::Result<OwnedFd> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    Ok(std::fs::File::open("/proc/thread-self/ns/net")?.into())
}

/// A TUN device in the network of this thread.
pub(super) fn device(name: &str, address: Ipv4Addr, peer: Ipv4Addr) -> anyhow::Result<SyncDevice> {
    let builder = DeviceBuilder::new().name(name).mtu(1500).ipv4(address, 32, Some(peer));
    let device = builder.build_sync().with_context(|| format!("make the TUN device {name}"))?;
    // Not by the builder: in a user namespace the kernel lets netlink do this, but not an ioctl.
    sandbox::ip(&format!("link set {name} txqueuelen {DEVICE_QUEUE}"))?;
    Ok(device)
}

/// Carries packets both ways until told to stop.
async fn forward(
    near: SyncDevice,
    far: SyncDevice,
    lanes: &Lanes,
    seed: u64,
    stopped: oneshot::Receiver<()>,
) {
    let devices = (|| Ok::<_, std::io::Error>((AsyncDevice::new(near)?, AsyncDevice::new(far)?)))();
    let (near, far) = devices.expect("a device that was just made can be waited on");
    tokio::select! {
        end = lanes.there.carry(&near, &far, 2 * seed) => panic!("the link there ended: {end:?}"),
        end = lanes.back.carry(&far, &near, 2 * seed + 1) => panic!("the link back ended: {end:?}"),
        _ = stopped => {}
    }
}
