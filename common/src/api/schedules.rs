//! Requests that repeat by the clock: the part of the spec, and what is reported of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request that the operator makes at each slot of a cron expression.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// Name of the schedule. The id of a request is `<name>-<slot>`, with the slot in UTC: `weekly-20261206T0200Z`.
    #[schemars(length(min = 1, max = 40), pattern("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// The slots, as the five fields of a cron expression: minute, hour, day of month, month, day of week.
    #[schemars(length(min = 9, max = 100))]
    pub cron: String,
    /// Time zone of the slots, by its name in the IANA database, such as `Europe/Paris` (default `Etc/UTC`). Where clocks are
    /// put forward, a slot of the hour that is left out happens an hour later; where they are put back, a slot of the hour
    /// that comes twice happens the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 60))]
    pub time_zone: Option<String>,
    /// The request, as an annotation has it, with the kind in place of the id: `repair --primary-range`. `{id}`
    /// stands for the id of the request: `snapshot --name {id} --ttl 7d`. Kinds that may be
    /// repeated are cleanup, flush, restart, repair, snapshot, clearsnapshot, backup, upgradesstables, compact, garbagecollect,
    /// scrub and relocate.
    #[schemars(length(min = 1, max = 1000))]
    pub request: String,
    /// Seconds after its slot within which a request has to begin; a later one is left out, and the next slot is waited for
    /// (default: no limit). Without a limit, one request makes up for all slots that were missed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60))]
    pub starting_deadline_seconds: Option<i64>,
    /// No request is made as long as this is true, and none is made up for later (default false). A request that has begun
    /// goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}

/// Observed state of a schedule.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleStatus {
    /// Name of the schedule.
    pub name: String,
    /// Cron expression that `nextSlot` is computed from.
    pub cron: String,
    /// Time zone that `nextSlot` is computed from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// The next slot; the oldest one without a request, while the request waits. None while the schedule is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_slot: Option<Time>,
    /// Slot of the last request that has begun, or has ended before it could begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_slot: Option<Time>,
    /// The last slot that was left out, because the request could not begin before its deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_missed_slot: Option<Time>,
}
