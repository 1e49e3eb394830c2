#!/bin/bash
# casskop-backup against real S3 servers on loopback: gofakes3, and versitygw, which checks signatures. Backs up a generated
# tree, counts what is sent, kills it, verifies, purges, fetches, and measures its memory with a file of 1 GiB. Needs no testbed.
#   backup.sh [PROFILE]      SERVERS=versitygw has one of them only
. "$(dirname "$0")/lib.sh"
cd "$testbed/.."

servers=$("$testbed/s3.sh")
program=$("$testbed/binaries.sh" "${1:-testbed}" casskop-backup)/casskop-backup

place=$(mktemp -d)
server=
end() {
    local status=$?
    trap - EXIT
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ $status = 0 ] || tail -n 5 "$place"/*.log 2>/dev/null || true
    rm -rf "$place"
    exit $status
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

export AWS_ACCESS_KEY_ID=backup AWS_SECRET_ACCESS_KEY=not-a-secret AWS_REGION=us-east-1
table=users-0123456789abcdef0123456789abcdef
most_memory=$((64 << 20))

# ---- snapshots --------------------------------------------------------------

# snapshot NODE TAG: the folder of a snapshot
snapshot() { printf '%s\n' "$place/$1/shop/$table/snapshots/$2"; }

# manifest FOLDER: the list of the SSTables in the folder of a snapshot, as Cassandra writes it
manifest() {
    local names
    names=$(cd "$1" && find . -name '*-Data.db' -printf '"%P",')
    printf '{"files": [%s]}\n' "${names%,}" >"$1/manifest.json"
}

# generate NODE TAG FILES: that many files, one in an index, one of 40 MiB
generate() {
    local folder number
    folder=$(snapshot "$1" "$2")
    mkdir -p "$folder/.by_city"
    for ((number = 1; number <= $3; number++)); do
        head -c $((number * 40)) /dev/urandom >"$folder/nb-$number-big-Data.db"
    done
    head -c 40M /dev/urandom >"$folder/nb-0-big-Data.db"
    echo index >"$folder/.by_city/nb-1-big-Data.db"
    echo "CREATE TABLE shop.users (id int PRIMARY KEY);" >"$folder/schema.cql"
    manifest "$folder"
}

# ---- jobs -------------------------------------------------------------------

began=2026-11-28T00:00:00Z
common() { printf '"cluster": {"name": "ring", "uid": "1d"}, "store": %s, "limits": {"requestSeconds": 20, "retrySeconds": 20%s}' "$store" "${rate:+, \"bytesPerSecond\": $rate}"; }
node_entry() { printf '{"hostId": "%s", "dc": "dc1", "rack": "%s", "tokens": ["%s"], "cassandraVersion": "5.0.9", "schemaVersion": "s"}' "$1" "$1" "${1#h}"; }

# job COMMAND...: runs it with the description on standard input; prints its summary, and fails as it fails
job() {
    local description
    description=$(cat)
    CASSKOP_BACKUP_JOB=$description "$program" --termination-log "$place/termination" "$@"
}
node() {
    job node <<<"{$(common), \"backup\": \"$2\", \"startedAt\": \"$began\", \"snapshot\": \"$2\", \"node\": $(node_entry "$1"), \"dataDirectories\": [\"$place/$1\"]}"
}
# complete BACKUP HOST...
complete() {
    local backup=$1 hosts
    shift
    hosts=$(printf '"%s",' "$@")
    job complete <<<"{$(common), \"backup\": \"$backup\", \"startedAt\": \"$began\", \"nodes\": [${hosts%,}]}"
}
purge() { job purge <<<"{$(common), \"keepCount\": 1, \"sweepAfterHours\": 0}"; }
# fetch HOST BACKUP FOLDER
fetch() { job fetch <<<"{$(common), \"backup\": \"$2\", \"hostId\": \"$1\", \"into\": \"$3\"}"; }
stored() { job "$@" <<<"{$(common)}"; }

# field NAME: the number of that name in a summary
field() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
# expect WHAT IS WANTED
expect() { [ "$2" = "$3" ] || die "$1: $2 instead of $3"; }
# refused CODE WORDS COMMAND...: it ends with the code and tells the words, and nothing secret
refused() {
    local code=$1 words=$2 status=0 told
    shift 2
    told=$("$@") || status=$?
    expect "the exit code of $*" "$status" "$code"
    case $told in *"$words"*) ;; *) die "$* tells $told, and not: $words" ;; esac
    case $told in *"$AWS_SECRET_ACCESS_KEY"*) die "$* tells a secret" ;; esac
}

# ---- servers ----------------------------------------------------------------

free_port() {
    local port
    for ((port = 18400 + RANDOM % 1000; ; port++)); do
        (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}
# store_in BUCKET [AUTHORITY]: the store of a job
store_in() {
    local scheme=http more=
    [ -z "$2" ] || scheme=https more=", \"ca\": \"$(sed 's/$/\\n/' "$2" | tr -d '\n')\""
    printf '{"s3": {"bucket": "%s", "prefix": "some/where", "endpoint": "%s://127.0.0.1:%s"%s}}' "$1" "$scheme" "$port" "$more"
}

# An authority of one day, and a certificate by it for 127.0.0.1.
certificate() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    openssl req -x509 "${key[@]}" -keyout "$place/ca.key" -out "$place/ca.crt" -subj /CN=test -days 1
    openssl req "${key[@]}" -keyout "$place/server.key" -out "$place/server.csr" -subj /CN=server
    openssl x509 -req -in "$place/server.csr" -CA "$place/ca.crt" -CAkey "$place/ca.key" -CAcreateserial -days 1 \
        -out "$place/server.crt" -extfile <(printf 'subjectAltName = IP:127.0.0.1\nbasicConstraints = CA:FALSE\n')
} >/dev/null 2>&1

# serve NAME: starts the server, with a bucket; its requests are in the log
serve() {
    local name=$1 tries
    ca=
    port=$(free_port)
    log=$place/$name.log
    case $name in
        gofakes3)
            "$servers/gofakes3" -backend memory -host "127.0.0.1:$port" -initialbucket backups >"$log" 2>&1 &
            ;;
        versitygw)
            mkdir -p "$place/gateway/backups"
            certificate
            ca=$place/ca.crt
            "$servers/versitygw" --access "$AWS_ACCESS_KEY_ID" --secret "$AWS_SECRET_ACCESS_KEY" --port "127.0.0.1:$port" \
                --cert "$place/server.crt" --key "$place/server.key" --access-log "$log" posix "$place/gateway" >"$place/versitygw.out" 2>&1 &
            ;;
    esac
    server=$!
    for ((tries = 0; tries < 100; tries++)); do
        (: >"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        kill -0 "$server" 2>/dev/null || die "$name does not start: $(tail -n 3 "$place/$name".*)"
        sleep 0.1
    done
    store=$(store_in backups "$ca")
}
stop() {
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
}
# puts: the objects with content that the server was sent until now, by its own log; gofakes3 does not log large ones
puts() { grep -aE "CREATE OBJECT|s3_PutObject|s3_CompleteMultipartUpload" "$log" | grep -ac "/objects/" || true; }

# ---- what is checked --------------------------------------------------------

check() {
    local name=$1 host summary before objects killed written tries
    say "== $name"
    serve "$name"
    rm -rf "$place"/h1 "$place"/h2
    generate h1 b1 400
    generate h2 b1 20

    summary=$(node h1 b1)
    # 400 small ones, the large one, the index, the schema.
    expect "objects of the first backup" "$(field sentObjects <<<"$summary")" 403
    say "   first backup: $(field sentBytes <<<"$summary") bytes in $(field milliseconds <<<"$summary") ms"
    refused 1 "the upload of node h2 has not begun" complete b1 h1 h2
    node h2 b1 >/dev/null
    complete b1 h1 h2 >/dev/null

    before=$(puts)
    for host in h1 h2; do cp -al "$(snapshot $host b1)" "$(snapshot $host b2)"; done
    summary=$(node h1 b2)
    node h2 b2 >/dev/null
    expect "objects of a backup without a change" "$(field sentObjects <<<"$summary")" 0
    complete b2 h1 h2 >/dev/null
    expect "writes of objects that the server has seen" "$(($(puts) - before))" 0
    say "   second backup: nothing sent in $(field milliseconds <<<"$summary") ms"

    for host in h1 h2; do cp -al "$(snapshot $host b2)" "$(snapshot $host b3)"; done
    rm "$(snapshot h1 b3)/nb-7-big-Data.db"
    echo changed >"$(snapshot h1 b3)/nb-7-big-Data.db"
    expect "objects of a backup with one change" "$(node h1 b3 | field sentObjects)" 1
    node h2 b3 >/dev/null
    complete b3 h1 h2 >/dev/null
    expect "writes of objects that the server has seen" "$(($(puts) - before))" 1

    # Killed in the middle: nothing that the server has is sent again.
    generate h1 b4 300
    before=$(puts)
    (rate=$((8 << 20)) && node h1 b4) >/dev/null 2>&1 &
    killed=$!
    for ((tries = 0; tries < 1200; tries++)); do
        written=$(($(puts) - before))
        [ "$written" -lt 100 ] || break
        kill -0 "$killed" 2>/dev/null || break
        sleep 0.05
    done
    [ "$written" -ge 100 ] || die "a backup of 301 new objects has written $written before it was to be killed"
    pkill -KILL -P "$killed" || die "a backup ended before it was killed: $written objects were written"
    wait "$killed" 2>/dev/null || true
    objects=$(node h1 b4 | field sentObjects)
    # 300 small ones and the large one; the index and the schema are those of b1.
    [ "$objects" -le "$((301 - written))" ] || die "a backup that was killed sends $objects objects, and $written of 301 were there"
    say "   killed after $written of 301 objects: the second run sends $objects"
    expect "backups in the list" "$(stored list | grep -o '"backup":' | wc -l)" 3
    refused 1 "does not exist" stored verify b4
    refused 1 "it is being made" stored delete b4
    complete b4 h1 >/dev/null

    for backup in b1 b2 b3 b4; do stored verify --deep "$backup" >/dev/null; done
    expect "backups that a purge deletes" "$(purge | grep -o '"b[123]"' | wc -l)" 3
    # The times of the store are whole seconds.
    for ((tries = 0; tries < 50; tries++)); do
        summary=$(purge)
        [ "$(field deletedObjects <<<"$summary")" = 0 ] || break
        sleep 0.2
    done
    say "   purge: $(field deletedObjects <<<"$summary") objects deleted in $(field milliseconds <<<"$summary") ms"
    # 403 of b1, the changed one, and those of h2; b4 shares the index and the schema.
    expect "orphans after two passes" "$(purge | field orphans)" 0
    stored verify --deep b4 >/dev/null

    mkdir "$place/into-$name"
    fetch h1 b4 "$place/into-$name" >/dev/null
    diff -r --exclude schema.cql --exclude manifest.json "$(snapshot h1 b4)" "$place/into-$name/shop/$table" || die "what was fetched is not what was there"
    expect "files that a second fetch writes" "$(fetch h1 b4 "$place/into-$name" | field sentObjects)" 0

    memory "$name"
    store=$(store_in no-such-bucket "$ca") refused 1 "make the bucket" node h1 b4
    AWS_SECRET_ACCESS_KEY=another-one refuse_keys "$name"
    if [ "$name" = versitygw ]; then
        locked
        # Not the authority that the server has its certificate from.
        certificate
        store=$(store_in backups "$ca") refused 1 "give the authorities of the server" node h1 b4
    fi
    stop
}

# An object lock: told, and nothing else fails.
locked() {
    local url=https://127.0.0.1:$port/locked rule store
    rule='<ObjectLockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule>'
    rule+='<DefaultRetention><Mode>COMPLIANCE</Mode><Days>1</Days></DefaultRetention></Rule></ObjectLockConfiguration>'
    request "$url" '' -H "x-amz-bucket-object-lock-enabled: true"
    request "$url?object-lock=" "$rule" -H "Content-Type: application/xml"
    store=$(store_in locked "$ca")
    generate h4 b6 3
    node h4 b6 >/dev/null
    complete b6 h4 >/dev/null
    [ "$(purge | field locked)" -gt 0 ] || die "a purge does not tell of an object lock"
    refused 1 "wait for the end of its object lock" stored delete b6
    stored verify --deep b6 >/dev/null
}
# request URL BODY ARGUMENT...: a signed PUT
request() {
    local url=$1 body=$2
    shift 2
    curl --silent --show-error --fail --cacert "$ca" --aws-sigv4 aws:amz:us-east-1:s3 --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \
        -X PUT "$url" --data-binary "$body" -H "x-amz-content-sha256: $(printf %s "$body" | sha256sum | cut -d' ' -f1)" \
        -H "Content-MD5: $(printf %s "$body" | openssl md5 -binary | base64)" "$@"
}

# gofakes3 looks at no signature.
refuse_keys() { [ "$1" = gofakes3 ] || refused 1 "check the keys" node h1 b4; }

memory() {
    local folder summary peak
    folder=$(snapshot h3 b5)
    mkdir -p "$folder"
    [ -f "$place/large" ] || head -c 1G /dev/urandom >"$place/large"
    cp -l "$place/large" "$folder/nb-1-big-Data.db"
    manifest "$folder"
    summary=$(node h3 b5)
    peak=$(field peakMemoryBytes <<<"$summary")
    say "   a file of 1 GiB: sent in $(field milliseconds <<<"$summary") ms, $((peak >> 20)) MiB of memory"
    [ "$peak" -le $most_memory ] || die "node takes $peak bytes of memory"
    complete b5 h3 >/dev/null
    mkdir -p "$place/large-$1"
    summary=$(fetch h3 b5 "$place/large-$1")
    peak=$(field peakMemoryBytes <<<"$summary")
    say "   fetched in $(field milliseconds <<<"$summary") ms, $((peak >> 20)) MiB of memory"
    [ "$peak" -le $most_memory ] || die "fetch takes $peak bytes of memory"
    cmp "$place/large" "$place/large-$1/shop/$table/nb-1-big-Data.db"
    rm -rf "$place/large-$1" "$place/h3"
}

say "   $(basename "$program"): $(stat -c %s "$program") bytes"
for name in ${SERVERS:-gofakes3 versitygw}; do check "$name"; done
say "backups are whole, nothing is sent twice, and memory is bounded"
