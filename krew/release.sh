#!/usr/bin/env bash
# Makes all that a release consists of, but for the bills of materials:  krew/release.sh VERSION BUILT DIST
# BUILT has a folder for each platform of krew/casskop.yaml (linux_amd64, …) with what was built for it. DIST gets the
# archives, the krew manifest, the operator's manifests, and SHA256SUMS over all that is in it then.
set -euo pipefail
[ $# = 3 ] || { echo "usage: $0 VERSION BUILT DIST" >&2; exit 2; }
version=$1 built=$2 dist=$3
here=$(dirname "$0")

fail() {
    echo "$0: $*" >&2
    exit 1
}

mkdir -p "$dist"
while read -r platform program; do
    [ -f "$built/$platform/$program" ] || fail "there is no $built/$platform/$program"
    "$here/archive.sh" "$version" "$platform" "$dist" "$built/$platform/$program"
done < <(sed -n 's|^    uri: .*_@VERSION@_\(.*\)\.tar\.gz$|\1|p; s|^    bin: ||p' "$here/casskop.yaml" | paste -d ' ' - -)

"$here/render.sh" "$version" "$dist" >"$dist/casskop.yaml"

# By the plugin of this machine: it has the manifests of its own version in it.
case $(uname -m) in
    x86_64) own=$built/linux_amd64/kubectl-casskop ;;
    aarch64) own=$built/linux_arm64/kubectl-casskop ;;
    *) fail "no plugin of this release runs on $(uname -m)" ;;
esac
chmod +x "$own"
said=$("$own" version)
[[ $said == "kubectl-casskop ${version#v},"* ]] || fail "the plugin is of another version: $said"
"$own" install generate >"$dist/casskop-operator.yaml"

cd "$dist"
rm -f SHA256SUMS
sha256sum -- * >SHA256SUMS.new
mv SHA256SUMS.new SHA256SUMS
