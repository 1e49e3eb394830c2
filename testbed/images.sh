#!/bin/bash
# Builds the images the cache lacks and brings them into the running clusters:
# pause, and Cassandra in the versions of CASSANDRA_VERSIONS (default 5.0).
# Usage: images.sh [--build-only | --load-only]
. "$(dirname "$0")/lib.sh"
. "$testbed/image.sh"

mkdir -p "$images"

# ---- layers -----------------------------------------------------------------
build_base() {
    "$testbed/images/base.sh" "$base.new"
    seal_layer "$base"
}

build_cassandra() {
    local version=$1 file stage
    file=$(cassandra_layer "$version")
    # Not in /tmp, which may be of a kind that no other can be laid over.
    stage=$(mktemp -d -p "$images")
    chmod 755 "$stage"
    cp -r "$testbed/images/cassandra/all/." "$testbed/images/cassandra/$version/." "$stage/"
    mvn -q -B -Dstyle.color=never -Dmaven.repo.local="$cache/maven" -f "$testbed/images/cassandra/pom.xml" \
        -Dcassandra.version="${cassandra_release[$version]}" dependency:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$stage/opt/cassandra/lib"
    # As in the stock image, Cassandra's own folder leads to the usual places.
    ln -s /etc/cassandra "$stage/opt/cassandra/conf"
    ln -s /var/log/cassandra "$stage/opt/cassandra/logs"
    ln -s /var/lib/cassandra "$stage/opt/cassandra/data"
    mkdir -p "$stage/var/lib/cassandra" "$stage/var/log/cassandra"
    # User and group 999 of the base image may write these.
    chmod 777 "$stage/etc/cassandra" "$stage/var/lib/cassandra" "$stage/var/log/cassandra"
    chmod 666 "$stage"/etc/cassandra/*
    # Archives of classes are of jars with these times, which those of a layer have.
    touch -d @0 "$stage"/opt/cassandra/lib/*.jar
    "$testbed/images/archive.sh" "$base" "$stage"
    layer "$(basename "$file" .tar)" "$stage"
    rm -r "$stage"
}

for version in $cassandra_versions; do
    [ -n "${cassandra_release[$version]:-}" ] || die "no Cassandra $version here; there are: ${!cassandra_release[*]}"
done

if [ "${1:-}" != --load-only ]; then
    if [ ! -e "$base" ]; then step "make the base of the images (1-2 minutes)" build_base; fi
    for version in $cassandra_versions; do
        if [ ! -e "$(cassandra_layer "$version")" ]; then
            step "make the image of Cassandra ${cassandra_release[$version]}" build_cassandra "$version"
        fi
    done
fi
if [ "${1:-}" = --build-only ]; then exit 0; fi

# ---- into the clusters ------------------------------------------------------
[ -n "$(running)" ] || die "no testbed is running; start one by: make cluster"

load_pause() {
    local file stage
    file=$images/pause-$(sha256sum <"$bin/pause" | cut -c1-16).tar
    if [ ! -e "$file" ]; then
        stage=$(mktemp -d)
        cp "$bin/pause" "$stage/pause"
        layer "$(basename "$file" .tar)" "$stage"
        rm -r "$stage"
    fi
    import_once "$(basename "$file")" localhost/pause:testbed '{"Entrypoint":["/pause"],"User":"65535"}' "$file"
}
load_cassandra() {
    local version=$1 file
    file=$(cassandra_layer "$version")
    import_once "$(basename "$base") $(basename "$file")" \
        "localhost/cassandra:$version,localhost/cassandra:${cassandra_release[$version]}" \
        "{\"Entrypoint\":[\"docker-entrypoint.sh\"],\"Cmd\":[\"cassandra\",\"-f\"],\"User\":\"999:999\",$cassandra_config}" \
        "$base" "$file"
}
load_all() {
    load_pause
    for version in $cassandra_versions; do load_cassandra "$version"; done
}
step "images into the nodes (Cassandra $cassandra_versions)" load_all
