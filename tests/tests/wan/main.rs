//! What does the gateway make of hubs that are far away: of delay, of loss, of links that are cut?
//!
//! First the WAN itself is put to the test, since figures from a WAN that does nothing would look very good.

#![allow(clippy::print_stdout, reason = "the figures are worth reading when the test passes")]
#![allow(clippy::disallowed_methods, reason = "round trips are measured here")]

mod hubs;
mod leftovers;
mod link;
mod traffic;

use std::process::ExitCode;

use mcphub_tests::wan::{Case, run};

fn main() -> ExitCode {
    run(&[
        Case::Inside("a_link_delays_and_keeps_the_order", link::delays_and_keeps_the_order),
        Case::Inside("a_link_loses_packets_at_its_rate", link::loses_at_its_rate),
        Case::Inside("a_cut_link_carries_nothing_until_it_is_healed", link::cut_and_healed),
        Case::Inside("connections_survive_loss_whole", link::connections_survive_loss),
        Case::Inside("loss_ejects_nobody", hubs::loss_ejects_nobody),
        Case::Inside("a_hub_that_is_cut_off_is_left_and_returned_to", hubs::partition_and_return),
        Case::Inside("a_hub_whose_answers_vanish_is_left", hubs::one_way_partition),
        Case::Outside("nothing_is_left_of_a_sandbox", leftovers::nothing_is_left),
        Case::OnCall(leftovers::MESS, leftovers::mess),
    ])
}

/// Runs a test as `#[tokio::test]` does elsewhere, on two threads.
fn on_two_threads(test: impl Future<Output = ()>) {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(test);
}
