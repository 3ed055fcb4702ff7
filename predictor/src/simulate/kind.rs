//! What can go wrong with a hub, and which part of the world is to blame?

use std::fmt;

use crate::model::Kind as Class;

/// What a failure comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A disk wears out and answers ever slower.
    DiskDegrade,
    /// A processor throttles, memory corrects errors: the machine stalls, ever more often.
    ThrottleEcc,
    /// The machine is gone at once.
    NodeCrash,
    /// Memory fills until the hub pages, then is killed.
    MemLeak,
    /// Workers or connections are lost one by one.
    PoolLeak,
    /// A new release fails at once.
    BadDeployAbrupt,
    /// A new release fails, and is rolled out in steps.
    BadDeployRamp,
    /// The process dies or hangs.
    ProcCrash,
    /// Packets are lost, ever more.
    LossRamp,
    /// The round trip becomes longer and more uneven.
    JitterRamp,
    /// Nothing arrives any more.
    Partition,
    /// Demand grows beyond what the hub can serve.
    SurgeRamp,
    /// Demand multiplies within a minute.
    FlashCrowd,
    /// A neighbour on the same machine takes the processors.
    NoisyNeighbour,
    /// No fault at all: ordinary demand was too much.
    NaturalOverload,
}

impl Kind {
    /// Every kind that is injected as a fault: all but [`Kind::NaturalOverload`].
    pub const FAULTS: [Self; 14] = [
        Self::DiskDegrade,
        Self::ThrottleEcc,
        Self::NodeCrash,
        Self::MemLeak,
        Self::PoolLeak,
        Self::BadDeployAbrupt,
        Self::BadDeployRamp,
        Self::ProcCrash,
        Self::LossRamp,
        Self::JitterRamp,
        Self::Partition,
        Self::SurgeRamp,
        Self::FlashCrowd,
        Self::NoisyNeighbour,
    ];

    /// Its name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DiskDegrade => "disk_degrade",
            Self::ThrottleEcc => "throttle_ecc",
            Self::NodeCrash => "node_crash",
            Self::MemLeak => "mem_leak",
            Self::PoolLeak => "pool_leak",
            Self::BadDeployAbrupt => "bad_deploy_abrupt",
            Self::BadDeployRamp => "bad_deploy_ramp",
            Self::ProcCrash => "proc_crash",
            Self::LossRamp => "loss_ramp",
            Self::JitterRamp => "jitter_ramp",
            Self::Partition => "partition",
            Self::SurgeRamp => "surge_ramp",
            Self::FlashCrowd => "flash_crowd",
            Self::NoisyNeighbour => "noisy_neighbour",
            Self::NaturalOverload => "natural_overload",
        }
    }

    /// Which part of the world it belongs to.
    pub fn class(self) -> Class {
        match self {
            Self::DiskDegrade | Self::ThrottleEcc | Self::NodeCrash => Class::Hardware,
            Self::MemLeak
            | Self::PoolLeak
            | Self::BadDeployAbrupt
            | Self::BadDeployRamp
            | Self::ProcCrash => Class::Software,
            Self::LossRamp | Self::JitterRamp | Self::Partition => Class::Network,
            Self::SurgeRamp | Self::FlashCrowd | Self::NoisyNeighbour | Self::NaturalOverload => {
                Class::Overload
            }
        }
    }

    /// Whether it comes without warning. What claims to foretell one of these has seen the future.
    pub fn is_abrupt(self) -> bool {
        matches!(
            self,
            Self::NodeCrash | Self::BadDeployAbrupt | Self::ProcCrash | Self::Partition | Self::FlashCrowd
        )
    }

    /// How often it is drawn, beside the others. An assumption: each class about a quarter of all failures, three in
    /// ten of them abrupt. Nobody has published such a mix for hubs.
    pub(super) fn weight(self) -> u32 {
        match self {
            Self::NodeCrash | Self::Partition | Self::LossRamp | Self::SurgeRamp => 9,
            Self::DiskDegrade | Self::ThrottleEcc | Self::JitterRamp => 9,
            Self::MemLeak | Self::ProcCrash => 8,
            Self::PoolLeak | Self::NoisyNeighbour => 7,
            Self::BadDeployRamp | Self::FlashCrowd => 5,
            Self::BadDeployAbrupt => 3,
            Self::NaturalOverload => 0,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
