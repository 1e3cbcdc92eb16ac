//! A storage node over HTTPS, as a client meets it. The promises run on every backend.

mod support;

mod node {
    pub(crate) mod client;
    pub(crate) mod goes_on;
    pub(crate) mod ground;
    pub(crate) mod hostile;
    pub(crate) mod killed;
    pub(crate) mod promises;
    pub(crate) mod slots;
}

use node::{goes_on, hostile, promises, slots};

/// Makes each promise a test on each backend.
macro_rules! on_every_backend {
    ($($module:ident::$promise:ident),* $(,)?) => {
        mod folder {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$module::$promise(crate::node::ground::Ground::folder()).await;
            })*
        }

        mod striped {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$module::$promise(crate::node::ground::Ground::striped()).await;
            })*
        }
    };
}

on_every_backend![
    promises::the_version_is_told_with_byte_keys,
    promises::what_leads_nowhere_is_told_before_the_pass_is_looked_at,
    promises::secrets_must_be_exactly_those_of_the_endpoint,
    promises::a_share_written_in_any_order_is_finished_once,
    promises::a_refused_write_leaves_its_connection_usable_or_says_that_it_ends,
    promises::the_clock_stands_still_but_for_the_door,
    promises::a_share_stays_while_its_providers_bill_for_it_anyway,
    hostile::paths_that_try_to_leave_lead_nowhere,
    hostile::uploads_in_progress_are_bounded_and_aborting_makes_room,
    hostile::a_flood_of_advisories_leaves_a_few,
    hostile::requests_sent_twice_have_one_effect,
    promises::of_a_conflicting_write_nothing_stays,
    promises::a_share_in_progress_is_nobody_elses_and_not_seen,
    promises::an_aborted_share_can_be_allocated_again,
    promises::a_stalled_upload_is_given_up_after_half_an_hour,
    promises::reads_are_cut_at_the_end,
    promises::a_share_of_many_megabytes_reads_back,
    promises::leases_last_31_days_from_their_last_renewal,
    promises::shares_outlast_a_restart_and_so_do_their_leases,
    goes_on::an_upload_goes_on_after_a_restart_where_its_client_can,
    goes_on::what_has_landed_of_an_upload_stays,
    goes_on::an_upload_of_a_node_that_ended_is_in_nobodys_way,
    goes_on::an_upload_that_stalled_over_a_restart_is_given_up,
    promises::an_advisory_is_kept_once,
    promises::a_share_that_is_called_damaged_is_read_mended_and_taken_off_the_list,
    promises::shares_go_with_their_leases_if_the_owner_wants_it,
    promises::a_read_only_node_takes_nothing_new,
    slots::a_slot_is_made_read_changed_and_removed,
    slots::a_failed_test_changes_nothing_and_still_reads,
    slots::another_write_enabler_is_refused,
    slots::an_empty_request_makes_nothing,
    slots::holes_are_zero_and_what_was_cut_off_stays_away,
    slots::ten_clients_at_once_lose_no_update,
    slots::a_slot_outlasts_a_restart,
    slots::a_large_share_is_changed_in_its_middle,
    hostile::bodies_that_are_too_long_are_refused_unread,
    hostile::bytes_that_are_no_message_are_refused,
    hostile::a_stranger_keeps_no_connection,
    hostile::connections_that_say_nonsense_leave_honest_clients_alone,
];
