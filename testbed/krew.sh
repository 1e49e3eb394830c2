#!/bin/bash
# The real krew installs the plugin from an archive and a manifest as a release has them, and kubectl runs it. The
# manifest passes the checks of krew's index. Needs no testbed; FOLDER holds the built plugin (default: builds it).
#   krew.sh [FOLDER]
. "$(dirname "$0")/lib.sh"
cd "$testbed/.."

# krew and the checker of its index, of the module that testbed/krew requires; built once and kept.
tools() {
    local key
    key=$(key_of "$testbed/krew" "$0")
    if [ "$(cat "$cache/tools/krew.key" 2>/dev/null)" = "$key" ]; then return 0; fi
    mkdir -p "$cache/tools/bin"
    (
        cd "$testbed/krew"
        export GOCACHE=$cache/go-build GOMODCACHE=$cache/go-mod GOFLAGS=-modcacherw CGO_ENABLED=0
        go build -trimpath -ldflags "-s -w" -o "$cache/tools/bin/" \
            sigs.k8s.io/krew/cmd/krew sigs.k8s.io/krew/cmd/validate-krew-manifest
    )
    printf '%s\n' "$key" >"$cache/tools/krew.key"
}

kubectl_program() {
    if [ -x "$bin/kubectl" ]; then
        printf '%s\n' "$bin/kubectl"
    else
        command -v kubectl || die "kubectl is needed: make cluster builds one"
    fi
}

# A release has an archive of each platform: here stand-ins, for what is checked is the manifest.
whole_manifest() {
    local version=$1 place=$2 platform
    for name in kubectl-casskop kubectl-casskop.exe; do
        printf 'a stand-in\n' >"$place/$name"
        chmod 755 "$place/$name"
    done
    for platform in linux_amd64 linux_arm64 darwin_amd64 darwin_arm64; do
        krew/archive.sh "$version" $platform "$place/dist" "$place/kubectl-casskop" >/dev/null
    done
    for platform in windows_amd64 windows_arm64; do
        krew/archive.sh "$version" $platform "$place/dist" "$place/kubectl-casskop.exe" >/dev/null
    done
    krew/render.sh "$version" "$place/dist" >"$place/casskop.yaml"
}

command -v go >/dev/null || step "install missing packages" "$testbed/packages.sh"
step "build krew" tools
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
kubectl casskop install generate >"$place/operator.yaml"
grep -q '^kind: Deployment$' "$place/operator.yaml" || die "the installed plugin lacks its manifests"

"$cache/tools/bin/validate-krew-manifest" -skip-install -manifest "$manifest"
whole_manifest "$want" "$place"
"$cache/tools/bin/validate-krew-manifest" -skip-install -manifest "$place/casskop.yaml"
say "krew installs the plugin and kubectl runs it; its manifests pass the checks of the index"
