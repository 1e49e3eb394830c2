# How images are put together and brought into the cluster, without a container
# engine: a layer is a tar file, an image is a list of layers and a
# configuration. Sourced, never run.

images=$cache/images

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
# cluster. NAMES are separated by commas, CONFIG is the JSON object of
# entrypoint, environment and so on, a LAYER is a file made by layer.
import() {
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
    for node in "$run"/nodes/*/; do
        tar -C "$stage" --dereference -cf - . | containerd_ "$node" images import - || return 1
    done
    rm -r "$stage"
}

containerd_() {
    local node=$1
    shift
    ctr --address "$node/containerd.sock" --namespace k8s.io "$@"
}

# The machine's architecture as images and Go name it.
go_architecture() { dpkg --print-architecture; }

# import_once KEY ...: import, unless every node has this image by that key. A
# node's images outlive a run, as on a real node.
import_once() {
    local key=$1 mark=${2%%,*} node done=yes
    mark=${mark##*/}
    shift
    for node in "$run"/nodes/*/; do
        [ "$(cat "$cache/containerd/$(basename "$node")/.image-$mark" 2>/dev/null)" = "$key" ] || done=no
    done
    if [ $done = yes ]; then return 0; fi
    import "$@" || return 1
    for node in "$run"/nodes/*/; do
        printf '%s\n' "$key" >"$cache/containerd/$(basename "$node")/.image-$mark"
    done
}
