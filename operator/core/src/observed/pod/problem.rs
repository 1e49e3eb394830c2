//! The reason why a pod does not run, in the words of Kubernetes.

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::containers;
use crate::pod_config::BOOTSTRAP_CONTAINER;

/// Maximum number of characters of a termination message in the status.
const MESSAGE_LENGTH: usize = 500;

/// Reason why a pod does not run: the pod cannot be scheduled, or a container cannot start.
pub(super) fn problem(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let unplaced = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    if let Some(condition) = unplaced {
        return Some(format!(
            "cannot be placed: {}",
            condition.message.as_deref().unwrap_or("no reason given")
        ));
    }
    for container in containers(status) {
        let state = container.state.as_ref();
        let waiting = state.and_then(|state| state.waiting.as_ref());
        let reason = waiting
            .and_then(|waiting| waiting.reason.as_deref())
            .unwrap_or_default();
        if matches!(reason, "" | "PodInitializing" | "ContainerCreating") {
            continue;
        }
        let message = waiting
            .and_then(|waiting| waiting.message.as_deref())
            .unwrap_or_default();
        let last = last_end(container).map_or_else(String::new, |last| format!("; {last}"));
        let hint = if is_of_another_version(container) {
            "; its image is of another version than the operator: remove spec.bootstrapImage, or set it to the image of the operator"
        } else {
            ""
        };
        return Some(format!(
            "container {}: {reason}: {message}{last}{hint}",
            container.name
        ));
    }
    None
}

/// Exit code of the operator's binary for arguments that it does not know.
const UNKNOWN_ARGUMENT: i32 = 2;

/// Whether the image of the init container that prepares a pod does not know what the operator asks of it.
fn is_of_another_version(container: &ContainerStatus) -> bool {
    let state = container.last_state.as_ref();
    let end = state.and_then(|state| state.terminated.as_ref());
    container.name == BOOTSTRAP_CONTAINER
        && end.is_some_and(|end| end.exit_code == UNKNOWN_ARGUMENT)
}

/// The exit code of the last process of a container, the reason that the kubelet records (`OOMKilled`), and the message
/// that the process left.
pub(super) fn last_end(container: &ContainerStatus) -> Option<String> {
    let state = container.last_state.as_ref()?;
    let end = state.terminated.as_ref()?;
    let message: String = end
        .message
        .as_deref()
        .unwrap_or_default()
        .trim()
        .chars()
        .take(MESSAGE_LENGTH)
        .collect();
    let message = if message.is_empty() {
        message
    } else {
        format!(": {message}")
    };
    let reason = end
        .reason
        .as_deref()
        .filter(|reason| !matches!(*reason, "Error" | "Completed"));
    let reason = reason.map_or_else(String::new, |reason| format!(" ({reason})"));
    let hint = if end.reason.as_deref() == Some("OOMKilled") {
        ", the limit of its memory was reached: raise spec.resources.limits.memory, or lower the heap in spec.config.jvm-options"
    } else {
        ""
    };
    Some(format!(
        "it ended with exit code {}{reason} before{message}{hint}",
        end.exit_code
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::observed::NodePod;

    #[test]
    fn a_container_that_cannot_start_is_a_problem_in_the_words_of_the_kubelet() {
        let problem = |waiting: serde_json::Value, last: serde_json::Value| {
            let pod = json!({ "metadata": {}, "status": { "containerStatuses": [{
                "name": "cassandra", "image": "", "imageID": "", "ready": false, "restartCount": 1,
                "state": { "waiting": waiting }, "lastState": last }] } });
            let pod = serde_json::from_value(pod).expect("a pod");
            assert!(NodePod::of(&pod).problem.is_none() || !NodePod::has_not_started(&pod));
            NodePod::of(&pod).problem
        };
        let never = || json!({});
        assert_eq!(
            problem(json!({ "reason": "ContainerCreating" }), never()),
            None
        );
        assert_eq!(
            problem(json!({ "reason": "PodInitializing" }), never()),
            None
        );
        let problems = [
            problem(
                json!({ "reason": "CreateContainerConfigError", "message": "secret \"env\" not found" }),
                never(),
            ),
            problem(
                json!({ "reason": "ErrImagePull", "message": "not found" }),
                never(),
            ),
            problem(
                json!({ "reason": "CrashLoopBackOff", "message": "back-off 10s" }),
                json!({ "terminated": { "exitCode": 3, "reason": "Error", "message": "Invalid yaml\n" } }),
            ),
        ];
        insta::assert_snapshot!(problems.map(Option::unwrap).join("\n"), @r#"
        container cassandra: CreateContainerConfigError: secret "env" not found
        container cassandra: ErrImagePull: not found
        container cassandra: CrashLoopBackOff: back-off 10s; it ended with exit code 3 before: Invalid yaml
        "#);
    }

    #[test]
    fn an_init_container_of_another_version_is_told_from_one_that_fails() {
        let problem = |name: &str, code: i32| {
            let end = json!({ "exitCode": code, "reason": "Error", "message": "error: unexpected argument '--jolokia-tls' found" });
            let pod = json!({ "metadata": {}, "status": { "initContainerStatuses": [{
                "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 1,
                "state": { "waiting": { "reason": "CrashLoopBackOff", "message": "back-off 10s" } },
                "lastState": { "terminated": end } }] } });
            NodePod::of(&serde_json::from_value(pod).expect("a pod"))
                .problem
                .expect("it cannot start")
        };
        let hint = "spec.bootstrapImage";
        assert!(!problem("bootstrap", 1).contains(hint));
        assert!(!problem("pre-run", 2).contains(hint));
        insta::assert_snapshot!(problem("bootstrap", 2), @"container bootstrap: CrashLoopBackOff: back-off 10s; it ended with exit code 2 before: error: unexpected argument '--jolokia-tls' found; its image is of another version than the operator: remove spec.bootstrapImage, or set it to the image of the operator");
    }

    #[test]
    fn the_last_end_of_a_container_is_reported_while_it_runs_again() {
        let last_end = |end: serde_json::Value| {
            let pod = json!({ "metadata": {}, "status": { "containerStatuses": [{
                "name": "cassandra", "image": "", "imageID": "", "ready": false, "restartCount": 1,
                "state": { "running": {} }, "lastState": { "terminated": end } }] } });
            let pod = NodePod::of(&serde_json::from_value(pod).expect("a pod"));
            assert_eq!(pod.problem, None);
            pod.last_end.expect("an end")
        };
        insta::assert_snapshot!(
            [
                last_end(json!({ "exitCode": 137, "reason": "OOMKilled" })),
                last_end(json!({ "exitCode": 1, "reason": "Error", "message": "pre_run.sh: line 3\n" })),
            ]
            .join("\n"),
            @r"
        it ended with exit code 137 (OOMKilled) before, the limit of its memory was reached: raise spec.resources.limits.memory, or lower the heap in spec.config.jvm-options
        it ended with exit code 1 before: pre_run.sh: line 3
        "
        );
    }
}
