# How images are put together and brought into the cluster, without a container
# engine: a layer is a tar file, an image is a list of layers and a
# configuration. Sourced, never run.

images=$cache/images

# ---- layers that several images have ----------------------------------------
base=$images/base-$(key_of "$testbed/images/base.sh").tar
cassandra_layer() { # VERSION -> file name
    echo "$images/cassandra-$1-$(key_of "$testbed/images/"{base.sh,archive.sh,cassandra/{pom.xml,all,"$1"}} "${cassandra_release[$1]}").tar"
}
# The part of the configuration that all images with Cassandra have.
cassandra_config='"Env":["PATH=/opt/cassandra/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "CASSANDRA_HOME=/opt/cassandra","CASSANDRA_CONF=/etc/cassandra","LANG=C.UTF-8"],
  "ExposedPorts":{"7000/tcp":{},"7001/tcp":{},"7199/tcp":{},"9042/tcp":{},"9160/tcp":{}},
  "Volumes":{"/var/lib/cassandra":{}}'

# ---- making and importing ---------------------------------------------------

# layer KEY FOLDER: packs the folder as a layer, unless it is in the cache.
# Owner and time are fixed, so that equal contents make equal layers.
layer() {
    local file=$images/$1.tar
    tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -C "$2" -cf "$file.new" .
    seal_layer "$file"
}

# The layer's digest is kept beside it: an image's configuration names it.
seal_layer() {
    sha256sum <"$1.new" | cut -d' ' -f1 >"$1.sha256"
    mv "$1.new" "$1"
}

# import NAMES CONFIG LAYER...: brings the image into every node of the running
# clusters. NAMES are separated by commas, CONFIG is the JSON object of
# entrypoint, environment and so on, a LAYER is a file made by layer.
import() { each_node import_here "$@"; }

# each_node COMMAND...: for every node of the running clusters; the command finds its folders in $node and $root.
each_node() {
    local number
    for number in $(running); do
        (
            select_cluster "$number"
            for node in "$run"/nodes/*/; do
                root=$containerd/$(basename "$node")
                "$@" || exit 1
            done
        ) || return 1
    done
}

import_here() {
    local names=$1 config=$2 stage file digests='' files=''
    shift 2
    stage=$(mktemp -d)
    for file; do
        digests+=",\"sha256:$(cat "${file%.tar}.tar.sha256")\""
        files+=",\"$(basename "$file")\""
        ln -s "$file" "$stage/"
    done
    printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":[%s]}}' \
        "$(go_architecture)" "$config" "${digests#,}" >"$stage/config.json"
    printf '[{"Config":"config.json","RepoTags":["%s"],"Layers":[%s]}]' \
        "${names//,/\",\"}" "${files#,}" >"$stage/manifest.json"
    tar -C "$stage" --dereference -cf - . | containerd_ images import - || return 1
    rm -r "$stage"
}

containerd_() { ctr --address "$node/containerd.sock" --namespace k8s.io "$@"; }

# The machine's architecture as images and Go name it.
go_architecture() { dpkg --print-architecture; }

# import_once KEY ...: import, but not into nodes that have this image by that key. A
# node's images outlive a run, as on a real node.
import_once() { each_node import_here_once "$@"; }

import_here_once() {
    local key=$1 mark=${2%%,*}
    mark=$root/.image-${mark##*/}
    shift
    if [ "$(cat "$mark" 2>/dev/null)" = "$key" ]; then return 0; fi
    import_here "$@" || return 1
    printf '%s\n' "$key" >"$mark"
}
