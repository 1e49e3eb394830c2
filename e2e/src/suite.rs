//! The concurrency of the end-to-end tests: a table of all tests, and the decision when the next one may start. The
//! program that uses it is `src/bin/suite`.

use std::time::Duration;

/// Resources that a job shares with other jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nothing: the rings of the job are in a separate namespace.
    Own,
    /// A ring of three racks, reserved for the job while it runs. There are several such rings.
    Ring,
    /// The links between the clusters of the testbed.
    Links,
    /// The machine: no other job runs at the same time.
    Machine,
}

/// Tests that run one after the other in one process.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// File in `e2e/tests`, without its extension.
    pub file: &'static str,
    /// The tests of the file to run; empty runs all of them.
    pub tests: &'static [&'static str],
    /// The resource that the job shares.
    pub place: Place,
    /// Largest number of Cassandra nodes of the job at a time, without those of the shared ring.
    pub nodes: u32,
    /// Whether it runs in `make test`; in `make test-all` every job runs.
    pub in_test: bool,
}

const fn own(file: &'static str, nodes: u32) -> Job {
    job(file, Place::Own, nodes)
}

const fn ring(file: &'static str) -> Job {
    job(file, Place::Ring, 0)
}

const fn job(file: &'static str, place: Place, nodes: u32) -> Job {
    Job {
        file,
        tests: &[],
        place,
        nodes,
        in_test: true,
    }
}

impl Job {
    const fn only(self, tests: &'static [&'static str]) -> Self {
        Self { tests, ..self }
    }

    const fn in_test_all(self) -> Self {
        Self {
            in_test: false,
            ..self
        }
    }

    /// The name of the job in reports.
    pub fn name(&self) -> String {
        match self.tests {
            [] => self.file.to_owned(),
            [first, ..] => format!("{}: {first}", self.file),
        }
    }
}

/// All jobs; the first job that may start does, so the longest jobs come first, but not those that start many nodes beside each
/// other. `make test` has one test of each promise
/// on the real cluster. What repeats a promise for other versions, fields, kinds, points of a crash or failures is in
/// `make test-all`.
pub const JOBS: &[Job] = &[
    job("multi_site", Place::Links, 5),
    job("multi_register", Place::Links, 2).in_test_all(),
    job("multi_leader", Place::Links, 2).in_test_all(),
    job("cluster_wide", Place::Links, 3).in_test_all(),
    own("spec_fields", 3).in_test_all(),
    own("scaling", 6),
    own("backup", 3).only(&[
        "a_backup_reaches_the_store_and_the_next_one_sends_what_is_new",
        "a_backup_survives_its_operator_and_an_outage_of_the_store",
        "a_backup_becomes_a_new_ring_with_its_rows",
    ]),
    own("backup", 3)
        .only(&[
            "a_cancelled_backup_leaves_nothing_on_the_nodes_and_does_not_exist",
            "keys_that_the_store_refuses_are_told_nowhere_and_mended",
            "a_store_that_nobody_declared_is_refused_and_a_volume_is_one",
        ])
        .in_test_all(),
    own("lost_node", 3),
    own("logins", 2),
    own("restored_logins", 2),
    ring("operation_crash").in_test_all(),
    ring("cleanup_crash"),
    ring("leader"),
    ring("leader_failures")
        .only(&[
            "clocks_an_hour_apart_do_not_matter",
            "a_leader_that_is_frozen_at_each_point_skips_nothing",
        ])
        .in_test_all(),
    ring("deleted_objects").only(&[
        "objects_deleted_by_hand_come_back",
        "a_pod_deleted_by_hand_is_the_same_node_again",
    ]),
    ring("deleted_objects")
        .only(&[
            "a_stateful_set_deleted_by_hand_comes_back_around_its_volume",
            "all_pods_at_once_are_the_same_ring_again",
            "pods_with_each_others_address_are_the_same_ring_again",
        ])
        .in_test_all(),
    own("operation_kinds", 3)
        .only(&["with_cassandra_4_1_the_end_of_a_data_center_and_the_upgrade"])
        .in_test_all(),
    own("ring_lifecycle", 3).in_test_all(),
    own("rebuild", 2).in_test_all(),
    own("platform_ids", 1).in_test_all(),
    own("metrics", 1).only(&["metrics_come_and_go_with_the_spec"]),
    own("metrics", 1)
        .only(&["earlier_versions_have_the_same_metrics"])
        .in_test_all(),
    own("state_metrics", 0).in_test_all(),
    own("stranded_pod", 1).in_test_all(),
    own("volumes", 1).in_test_all(),
    own("network_policy", 2).in_test_all(),
    own("own_authority", 1).in_test_all(),
    own("operator_versions", 3).in_test_all(),
    own("gitops", 2).in_test_all(),
    own("helm", 1)
        .only(&[
            "kubernetes_takes_every_object_of_the_chart",
            "a_ring_runs_through_the_life_of_a_release",
        ])
        .in_test_all(),
    ring("operations"),
    // Minutes in which nothing happens.
    ring("schedules").in_test_all(),
    ring("operation_node_failure").in_test_all(),
    ring("node_api_faults"),
    ring("unresponsive_clusters").in_test_all(),
    own("cassandra_tls", 3).only(&["a_living_ring_encrypts_between_its_nodes"]),
    own("cassandra_tls", 3)
        .only(&["a_ring_that_began_encrypted_turns_back_to_plain"])
        .in_test_all(),
    own("operation_kinds", 2).only(&["with_cassandra_5_0"]),
    own("management_api", 3).only(&["a_living_ring_changes_the_way_to_its_nodes_and_back"]),
    own("node_tls", 3)
        .only(&["a_living_ring_changes_to_mutual_tls_and_back"])
        .in_test_all(),
    own("node_tls", 1).only(&[
        "jolokia_over_mutual_tls_demands_certificate_and_password_and_is_renewed_under_a_running_node",
    ]),
    own("cassandra_tls", 1)
        .only(&["clients_change_one_after_the_other_and_then_all_have_to_encrypt"]),
    own("cassandra_tls", 1)
        .only(&["clients_have_to_show_a_certificate"])
        .in_test_all(),
    own("management_api", 1).only(&["what_a_job_does_not_say_is_found_out"]),
    own("management_api", 1)
        .only(&["certificates_are_renewed_under_running_nodes_and_wrong_ones_are_told"]),
    own("management_api", 1)
        .only(&["images_without_a_fitting_agent_are_told"])
        .in_test_all(),
    own("management_api", 1).only(&["the_stand_in_speaks_the_recorded_contract"]),
    own("operation_kinds", 2).only(&["by_the_management_api"]),
    own("invalid_input", 1).only(&[
        "what_the_schema_can_judge_is_refused_at_once",
        "a_missing_image_is_told_and_mended_by_correcting_the_spec",
        "an_impossible_storage_class_is_told",
        "a_resource_that_no_machine_has_is_told_and_mended_by_correcting_the_spec",
        "a_quota_that_refuses_pods_is_told_in_the_words_of_the_api_server",
        "a_secret_that_is_missing_or_broken_or_wrong_is_told_and_mended",
        "settings_that_cassandra_does_not_know_are_told_and_mended",
    ]),
    own("go_takeover", 2),
    own("kubeconfig", 0),
    ring("invalid_input").only(&[
        "annotations_that_cannot_be_understood_are_told_and_disturb_no_other",
        "requests_for_what_the_ring_does_not_have_are_refused_with_what_it_has",
        "a_plugin_call_without_permission_says_which_is_missing",
    ]),
    ring("admission"),
    ring("refused_changes"),
    ring("ring"),
    ring("plugin"),
    ring("install_and_report"),
    ring("idle").only(&[
        "a_restarted_operator_changes_nothing",
        "spec_and_annotations_belong_to_git",
    ]),
    own("operation_kinds", 2)
        .only(&["with_cassandra_4_0"])
        .in_test_all(),
    job("linked_clusters", Place::Links, 0)
        .only(&[
            "every_cluster_is_its_own_and_reached_from_every_other",
            "links_between_pods_are_cut_slowed_and_healed",
            "api_servers_are_taken_away_and_come_back",
        ])
        .in_test_all(),
    job("linked_clusters", Place::Links, 2)
        .only(&["one_ring_forms_over_two_clusters_by_hand"])
        .in_test_all(),
    // Nodes may be reported as down for a moment on a busy machine, and the status records that.
    job("idle", Place::Machine, 3).only(&["a_ring_at_rest_costs_no_write"]),
    job("lost_machine", Place::Machine, 3).in_test_all(),
    job("memory", Place::Machine, 0).in_test_all(),
    job("leader_failures", Place::Machine, 3)
        .only(&["a_drained_node_hands_over", "a_lost_machine_is_followed"])
        .in_test_all(),
    // For some seconds the CRD of the first version is in force, for all clusters.
    job("helm", Place::Machine, 1)
        .only(&["an_object_of_the_first_version_lives_on_after_the_upgrade_of_the_crds"])
        .in_test_all(),
];

/// Memory of a Cassandra node of a test and of its pod, in bytes.
pub const NODE_MEMORY: u64 = 700 << 20;
/// Nodes of a shared ring, including the one that a test adds.
pub const RING_NODES: u32 = 4;
/// Time after the start of a job until the load reflects its nodes.
const SETTLE: Duration = Duration::from_secs(10);
/// Share of idle processors below which no further job starts.
const IDLE: f64 = 0.15;

/// Free capacity at the start of the next job.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Running jobs.
    pub running: usize,
    /// Whether a running job needs the machine exclusively.
    pub is_taken: bool,
    /// Whether a running job uses the links.
    pub links_are_taken: bool,
    /// Whether the linked clusters run.
    pub is_linked: bool,
    /// Shared rings that no job uses.
    pub free_rings: usize,
    /// Cassandra nodes that fit into the memory in addition to those of the running jobs.
    pub nodes: u32,
    /// Share of the processors' time that was idle during the last seconds.
    pub idle: f64,
    /// Time since the start of the last job.
    pub since: Duration,
    /// Number of jobs that may run independent of the load.
    pub least: usize,
    /// Largest number of running jobs.
    pub most: usize,
}

impl Room {
    /// The index of the next job to start among the waiting ones.
    pub fn next(&self, waiting: &[Job]) -> Option<usize> {
        if self.is_taken || !self.has_load_for_one_more() {
            return None;
        }
        let only_machine = waiting.iter().all(|job| job.place == Place::Machine);
        waiting.iter().position(|job| {
            let place = match job.place {
                Place::Own => true,
                Place::Ring => self.free_rings > 0,
                Place::Links => self.is_linked && !self.links_are_taken,
                Place::Machine => only_machine && self.running == 0,
            };
            place && (self.running == 0 || job.nodes <= self.nodes)
        })
    }

    fn has_load_for_one_more(&self) -> bool {
        let is_quiet = self.since >= SETTLE && self.idle >= IDLE;
        self.running < self.least || (self.running < self.most && is_quiet)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    /// Tests by file, as found in the sources.
    fn written() -> BTreeMap<String, Vec<String>> {
        let folder = crate::space::workspace().join("e2e/tests");
        let files = fs::read_dir(folder).unwrap().flatten();
        // A folder has modules of the file of its name.
        files
            .filter(|file| file.path().is_file())
            .map(|file| {
                let text = fs::read_to_string(file.path()).unwrap();
                let tests = text.split("\n#[test]\n").skip(1).map(|rest| {
                    let (_, name) = rest.split_once("\nfn ").unwrap();
                    name.split('(').next().unwrap().to_owned()
                });
                let name = file.path().file_stem().unwrap().to_owned();
                (name.into_string().unwrap(), tests.collect())
            })
            .collect()
    }

    #[test]
    fn every_test_is_in_one_job() {
        let written = written();
        assert!(written.values().map(Vec::len).sum::<usize>() > 50);
        for (file, tests) in &written {
            let jobs: Vec<&Job> = JOBS.iter().filter(|job| job.file == file).collect();
            for test in tests {
                let has = |job: &&&Job| job.tests.is_empty() || job.tests.contains(&test.as_str());
                let count = jobs.iter().filter(has).count();
                assert_eq!(count, 1, "jobs in suite.rs with {file}: {test}");
            }
            let named = jobs.iter().flat_map(|job| job.tests);
            for test in named {
                assert!(tests.contains(&(*test).to_owned()), "{file} has no {test}");
            }
        }
        for job in JOBS {
            assert!(written.contains_key(job.file), "there is no {}", job.file);
        }
    }

    const FREE: Room = Room {
        running: 2,
        is_taken: false,
        links_are_taken: false,
        is_linked: true,
        free_rings: 1,
        nodes: 10,
        idle: 0.5,
        since: Duration::from_secs(60),
        least: 2,
        most: 4,
    };

    #[test]
    fn a_job_begins_when_its_place_is_free() {
        let waiting = [
            job("links", Place::Links, 2),
            ring("ring"),
            own("own", 3),
            job("machine", Place::Machine, 0),
        ];
        let next = |room: Room| room.next(&waiting);
        assert_eq!(next(FREE), Some(0));
        let taken = Room {
            links_are_taken: true,
            ..FREE
        };
        assert_eq!(next(taken), Some(1));
        let unlinked = Room {
            is_linked: false,
            free_rings: 0,
            ..FREE
        };
        assert_eq!(next(unlinked), Some(2));
        assert_eq!(
            Room {
                is_taken: true,
                running: 0,
                ..FREE
            }
            .next(&waiting),
            None
        );
    }

    #[test]
    fn what_needs_the_machine_comes_last_and_alone() {
        let waiting = [job("machine", Place::Machine, 3)];
        assert_eq!(FREE.next(&waiting), None);
        let empty = Room { running: 0, ..FREE };
        assert_eq!(empty.next(&waiting), Some(0));
        assert_eq!(
            empty.next(&[waiting[0], job("links", Place::Links, 0)]),
            Some(1)
        );
    }

    #[test]
    fn memory_and_load_admit_jobs() {
        let next = |room: Room| room.next(&[own("large", 6), own("small", 2)]);
        assert_eq!(next(FREE), Some(0));
        assert_eq!(next(Room { nodes: 5, ..FREE }), Some(1));
        assert_eq!(next(Room { nodes: 1, ..FREE }), None);
        let alone = Room {
            nodes: 1,
            running: 0,
            ..FREE
        };
        assert_eq!(next(alone), Some(0), "one always runs");
        assert_eq!(next(Room { idle: 0.1, ..FREE }), None);
        let busy = Room {
            idle: 0.0,
            running: 1,
            since: Duration::ZERO,
            ..FREE
        };
        assert_eq!(next(busy), Some(0), "the least run whatever the load");
        let just_begun = Room {
            since: Duration::from_secs(1),
            ..FREE
        };
        assert_eq!(next(just_begun), None);
        assert_eq!(next(Room { running: 4, ..FREE }), None);
    }
}
