#!/bin/bash
# Builds the operator of an earlier version, once, and brings its image into the running clusters as
# localhost/casskop-operator:earlier. Prints the path of the binary.
# Its image has no program of backups: that version makes none.
# The version is the oldest one that the operator of today has to follow and to be followed by, in the middle of its work.
. "$(dirname "$0")/lib.sh"

version=${EARLIER:-4cf711cedf34}
place=$cache/earlier/$version

cd "$testbed/.."
if [ ! -e "$place/casskop-operator" ]; then
    git cat-file -e "$version^{commit}" 2>/dev/null ||
        die "this clone has no commit $version, the earlier version of the operator: git fetch --unshallow"
    rm -rf "$place"
    mkdir -p "$place/source"
    git archive "$version" | tar -C "$place/source" -xf -
    built=$(CARGO_TARGET_DIR=$cache/earlier/target "$place/source/testbed/binaries.sh" testbed casskop-operator)
    cp "$built/casskop-operator" "$place/casskop-operator.new"
    mv "$place/casskop-operator.new" "$place/casskop-operator"
    rm -rf "$place/source" "$cache/earlier/target"
fi
OPERATOR_IMAGE=localhost/casskop-operator:earlier "$testbed/load.sh" operator "$place/casskop-operator" none >&2
echo "$place/casskop-operator"
