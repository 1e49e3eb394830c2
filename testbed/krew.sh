#!/bin/bash
# The real krew installs the plugin from an archive and a manifest as a release has them, and kubectl runs it. Its
# manifest and that of a whole release pass the checks of krew's index. Needs no testbed; FOLDER holds the built plugin
# (default: builds it).
#   krew.sh [FOLDER]
. "$(dirname "$0")/lib.sh"
cd "$testbed/.."

# A release as the workflow makes it. Of other platforms it has stand-ins: what is checked is what is made of them.
whole_release() {
    local version=$1 binaries=$2 place=$3 platform program=kubectl-casskop
    for platform in linux_amd64 linux_arm64 darwin_amd64 darwin_arm64 windows_amd64 windows_arm64; do
        mkdir -p "$place/built/$platform"
        case $platform in windows_*) program=kubectl-casskop.exe ;; esac
        printf 'a stand-in\n' >"$place/built/$platform/$program"
    done
    case $(uname -m) in x86_64) platform=linux_amd64 ;; *) platform=linux_arm64 ;; esac
    # As artifacts of a workflow come: nothing in them can be executed.
    install -m 644 "$binaries/kubectl-casskop" "$place/built/$platform/kubectl-casskop"
    krew/release.sh "v$version" "$place/built" "$place/dist"
    (cd "$place/dist" && sha256sum --check --quiet SHA256SUMS)
}

# krew and the checker of its index.
go_programs krew sigs.k8s.io/krew/cmd/krew sigs.k8s.io/krew/cmd/validate-krew-manifest
binaries=${1:-}
if [ -z "$binaries" ]; then
    step "build the plugin" "$testbed/binaries.sh"
    binaries=$("$testbed/binaries.sh")
fi
kubectl=$(kubectl_program)

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
install=$(krew/local.sh "$binaries")
say "$install"
manifest=${install#*--manifest=} archive=${install#*--archive=}
manifest=${manifest%% *}

# Nothing of this machine's own krew and kubeconfig is touched, and nobody is asked whether krew is the newest.
export KREW_ROOT=$place/krew KREW_NO_UPGRADE_CHECK=1 KUBECONFIG=/dev/null HOME=$place
export PATH=$KREW_ROOT/bin:$place/bin:$PATH
mkdir -p "$place/bin"
ln -s "$kubectl" "$place/bin/kubectl"
"$cache/tools/bin/krew" install --manifest="$manifest" --archive="$archive" </dev/null
[ "$(command -v kubectl-casskop)" = "$KREW_ROOT/bin/kubectl-casskop" ] || die "krew did not put the plugin onto its PATH"
version=$(kubectl casskop version)
say "$version"
want=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n1)
case $version in "kubectl-casskop $want,"*) ;; *) die "kubectl ran another plugin: $version" ;; esac
kubectl casskop install generate >"$place/install.yaml"
grep -q '^kind: Deployment$' "$place/install.yaml" || die "the installed plugin lacks its manifests"

"$cache/tools/bin/validate-krew-manifest" -skip-install -manifest "$manifest"
whole_release "$want" "$binaries" "$place"
"$cache/tools/bin/validate-krew-manifest" -skip-install -manifest "$place/dist/casskop.yaml"
cmp "$place/install.yaml" "$place/dist/install.yaml"
say "krew installs the plugin and kubectl runs it; its manifests pass the checks of the index"
