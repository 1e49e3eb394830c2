#!/usr/bin/env bash
# Prints the krew manifest of a release:  krew/render.sh VERSION DIST [OS_ARCH...] > casskop.yaml
# DIST contains the archives of krew/archive.sh, for all platforms of krew/casskop.yaml or for the given platforms.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 VERSION DIST [OS_ARCH...]" >&2; exit 2; }
version=${1#v} dist=$2
shift 2
wanted=" $* "

fail() {
    echo "$0: $*" >&2
    exit 1
}

# platform LINE...: prints the lines of one platform, with the checksum of the archive.
platform() {
    local text archive name files
    text=$(printf '%s\n' "$@")
    archive=$dist/$(sed -n 's|.*uri: .*/||p' <<<"$text")
    name=${archive##*_"$version"_}
    if [ "$wanted" != "  " ] && [[ $wanted != *" ${name%.tar.gz} "* ]]; then return 0; fi
    [ -f "$archive" ] || fail "there is no $archive"
    files=$(tar -tzf "$archive")
    for file in LICENSE "$(sed -n 's/ *bin: //p' <<<"$text")"; do
        grep -qxF "./$file" <<<"$files" || fail "$archive has no $file in it"
    done
    printf '%s\n' "${text//@SHA256@/$(sha256sum "$archive" | cut -d' ' -f1)}"
}

lines=()
while IFS= read -r line; do
    line=${line//@VERSION@/$version}
    case $line in
        "# Template"*) ;;
        *"- selector:"*)
            [ ${#lines[@]} = 0 ] || platform "${lines[@]}"
            lines=("$line")
            ;;
        *) if [ ${#lines[@]} = 0 ]; then printf '%s\n' "$line"; else lines+=("$line"); fi ;;
    esac
done <"$(dirname "$0")/casskop.yaml"
platform "${lines[@]}"
