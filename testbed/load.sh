#!/bin/bash
# Brings images that have a program of this workspace into the running clusters, in a second or two:
#   load.sh operator PATH_TO_BINARY [BACKUP]   as $OPERATOR_IMAGE, by default localhost/casskop-operator:dev
#   load.sh management-api PATH_TO_BINARY      as localhost/cass-management-api:VERSION, for each of CASSANDRA_VERSIONS
# The operator's image is its static binary, that of backups and the Java agents of the nodes, and nothing else. BACKUP is the path of
# casskop-backup (default: the one beside the operator); with `none`, the image is that of a version without backups. The other images
# are those of Cassandra with the stand-in for the Management API.
. "$(dirname "$0")/lib.sh"
. "$testbed/image.sh"

[ -f "${2:-}" ] || die "usage: load.sh operator PATH_TO_BINARY [BACKUP] | management-api PATH_TO_BINARY"
what=$1 binary=$2
backup=${3:-$(dirname "$binary")/casskop-backup}
[ -n "$(running)" ] || die "no testbed is running; start one by: make cluster"
is_static() {
    if LC_ALL=C readelf -l "$1" 2>/dev/null | grep -q INTERP; then
        die "$1 needs shared libraries, which its image does not have: link it statically"
    fi
}
is_static "$binary"

mkdir -p "$images"
agent=$images/agents-$(key_of "$testbed/agent.sh").tar
if [ ! -e "$agent" ]; then
    stage=$(mktemp -d)
    chmod 755 "$stage"
    "$testbed/agent.sh" "$stage"
    layer "$(basename "$agent" .tar)" "$stage"
    rm -r "$stage"
fi

# new_layer NAME: packs the folder $stage, and removes it
new_layer() {
    layer "$1" "$stage"
    rm -r "$stage"
}
new_stage() {
    stage=$(mktemp -d)
    chmod 755 "$stage"
}

load_operator() {
    new_stage
    install -m 755 "$binary" "$stage/casskop-operator"
    if [ "$backup" != none ]; then
        [ -f "$backup" ] || die "there is no $backup, which the Jobs of backups run: build it too (testbed/binaries.sh), or give its path"
        is_static "$backup"
        install -m 755 "$backup" "$stage/casskop-backup"
    fi
    new_layer casskop-operator
    import "${OPERATOR_IMAGE:-localhost/casskop-operator:dev}" \
        '{"Entrypoint":["/casskop-operator"],"User":"65532:65532"}' "$agent" "$images/casskop-operator.tar"
}

# The agent's file has the name that the image of the operator has it by.
load_management_api() {
    local version sources=$testbed/images
    new_stage
    mkdir -p "$stage/opt/management-api" "$stage/etc/cassandra"
    install -m 755 "$binary" "$stage/opt/management-api/server"
    install -m 755 "$sources/management-api/docker-entrypoint.sh" "$stage/docker-entrypoint.sh"
    ln -s /jolokia-agent.jar "$stage/opt/management-api/agent.jar"
    cat "$sources/cassandra/all/etc/cassandra/cassandra-env.sh" "$sources/management-api/cassandra-env.sh" \
        >"$stage/etc/cassandra/cassandra-env.sh"
    chmod 777 "$stage/etc/cassandra"
    chmod 666 "$stage/etc/cassandra/cassandra-env.sh"
    new_layer management-api
    for version in $cassandra_versions; do
        import "localhost/cass-management-api:$version,localhost/cass-management-api:${cassandra_release[$version]}" \
            "{\"Entrypoint\":[\"/docker-entrypoint.sh\"],\"Cmd\":[\"mgmtapi\"],\"User\":\"999:0\",$cassandra_config}" \
            "$base" "$(cassandra_layer "$version")" "$agent" "$images/management-api.tar"
    done
}

case $what in
    operator) load_operator ;;
    management-api) load_management_api ;;
    *) die "there is no image $what" ;;
esac
