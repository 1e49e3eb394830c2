#!/usr/bin/env bash
# Creates all files of a release except the bills of materials:  krew/release.sh VERSION BUILT DIST
# BUILT contains a folder with the binaries for each platform of krew/casskop.yaml (linux_amd64, …). The script writes to DIST
# the archives, the krew manifest, the manifests of the operator (install.yaml), the section of the changelog (CHANGES.md),
# and SHA256SUMS over all files in DIST.
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

# The plugin for this machine prints the manifests, since each plugin contains the manifests of its own version.
case $(uname -m) in
    x86_64) own=$built/linux_amd64/kubectl-casskop ;;
    aarch64) own=$built/linux_arm64/kubectl-casskop ;;
    *) fail "no plugin of this release runs on $(uname -m)" ;;
esac
chmod +x "$own"
said=$("$own" version)
[[ $said == "kubectl-casskop ${version#v},"* ]] || fail "the plugin is of another version: $said"
"$own" install generate >"$dist/install.yaml"

awk -v title="## ${version#v}" '/^## / { ours = $0 == title; next } ours' "$here/../CHANGELOG.md" >"$dist/CHANGES.md"
grep -q . "$dist/CHANGES.md" || fail "CHANGELOG.md has no section ${version#v}"

cd "$dist"
rm -f SHA256SUMS
sha256sum -- * >SHA256SUMS.new
mv SHA256SUMS.new SHA256SUMS
