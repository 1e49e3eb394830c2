#!/bin/bash
# Tests the start scripts of the Cassandra images, with programs "java" and "id" that are made up: which options they
# pass on, and what they refuse. Takes a second; needs no image, no cluster and no Java.
set -euo pipefail
sources=$(cd "$(dirname "$0")/cassandra" && pwd)

place=$(mktemp -d)
trap 'rm -r "$place"' EXIT
mkdir "$place/bin" "$place/logs"
cat >"$place/bin/java" <<'PROGRAM'
#!/bin/bash
if [ "$1" = -version ]; then
    echo "openjdk version \"$FAKE_JAVA.0.1\" 2026-01-20" >&2
else
    printf '%s\n' "$@"
fi
PROGRAM
cat >"$place/bin/id" <<'PROGRAM'
#!/bin/bash
case $1 in -u) echo "$FAKE_USER" ;; -g) echo "$FAKE_GROUP" ;; esac
PROGRAM
chmod +x "$place/bin/"*
# A machine of 8000 MiB.
echo "MemTotal:        8192000 kB" >"$place/meminfo"

failures=0
fail() {
    printf '%s: %s\n' "$case" "$(tail -c 500 <<<"$*")" >&2
    failures=$((failures + 1))
}

# image VERSION: its files anew, as an image has them. Options are added by: option FILE TEXT
image() {
    rm -rf "$place/image"
    mkdir "$place/image"
    cp -r "$sources/all/." "$sources/$1/." "$place/image"
    mkdir -p "$place/image/opt/cassandra/lib"
    touch "$place/image/opt/cassandra/lib/"{b,a,jamm-0.1}.jar
    conf=$place/image/etc/cassandra
}
option() { printf '%s\n' "$2" >>"$conf/$1-server.options"; }
# Takes options that begin like this out of all files.
without() { sed -i "/^$1/d" "$conf"/*.options; }

# launch [NAME=VALUE...] [ARGUMENT...]: "cassandra -f", as user 999 on Java 17 unless the variables say otherwise
launch() {
    local variables=()
    while [[ ${1:-} == *=* && ${1:-} != -* ]]; do
        variables+=("$1")
        shift
    done
    said=$(env -i PATH="$place/bin:$PATH" CASSANDRA_HOME="$place/image/opt/cassandra" CASSANDRA_CONF="$conf" \
        CASSANDRA_LOG_DIR="$place/logs/cassandra" MEMINFO="$place/meminfo" FAKE_JAVA=17 FAKE_USER=999 FAKE_GROUP=999 \
        "${variables[@]}" "$place/image/opt/cassandra/bin/cassandra" -f "$@" 2>&1)
}
starts() { launch "$@" || fail "does not start: $said"; }
refuses() {
    local words=$1
    shift
    if launch "$@"; then fail "starts, and should be refused with: $words"; fi
    [[ $said == *"$words"* ]] || fail "is refused with: $said, instead of: $words"
}
passes() { grep -qxF -e "$1" <<<"$said" || fail "does not pass $1 on: $said"; }
# How often options that begin like this are passed on.
count() { grep -c -e "^$1" <<<"$said" || true; }

case="the image as it is"
for version in 5.0 4.1 4.0; do
    image $version
    starts
    for argument in -Xms2000M -Xmx2000M -XX:+UseG1GC -XX:CompileCommandFile="$conf/hotspot_compiler" \
        -javaagent:"$place/image/opt/cassandra/lib/jamm-0.1.jar" "-XX:OnOutOfMemoryError=kill -9 %p" \
        -Dcassandra.jmx.local.port=7199 --add-opens java.base/java.util=ALL-UNNAMED \
        org.apache.cassandra.service.CassandraDaemon \
        "$place/image/opt/cassandra/lib/a.jar:$place/image/opt/cassandra/lib/b.jar:$place/image/opt/cassandra/lib/jamm-0.1.jar:$conf"; do
        passes "$argument"
    done
    [ "$(count -Xlog:gc)" = 1 ] && [ -d "$place/logs/cassandra" ] || fail "writes no log of the garbage collector"
    [ "$(count -XX:SharedArchiveFile)" = 0 ] || fail "uses an archive that is not there"
done

case="an archive of classes"
mkdir "$place/image/opt/cassandra/archives"
touch "$place/image/opt/cassandra/archives/cassandra.jsa"
starts
passes "-XX:SharedArchiveFile=$place/image/opt/cassandra/archives/cassandra.jsa"

case="heap by the memory of the machine"
image 5.0
echo "MemTotal:        1024000 kB" >"$place/meminfo"
starts
passes -Xmx500M
echo "MemTotal:       81920000 kB" >"$place/meminfo"
starts
passes -Xmx8192M

case="heap by the environment"
starts MAX_HEAP_SIZE=300M
passes -Xms300M
passes -Xmx300M
starts MAX_HEAP_SIZE=300M HEAP_NEWSIZE=100M
[ "$(count -Xmn)" = 0 ] || fail "passes -Xmn on with G1"

case="heap by the options"
option jvm -Xms100M
refuses "-Xms and -Xmx belong together"
refuses "-Xms and -Xmx belong together" MAX_HEAP_SIZE=300M
option jvm -Xmx200M
starts MAX_HEAP_SIZE=300M
[ "$(count -Xm)" = 2 ] || fail "heap is set more than once: $said"
image 5.0
option jvm17 -Xmx200M
refuses "-Xms and -Xmx belong together"
starts JVM_OPTS=-Xms100M

case="young generation"
image 5.0
option jvm -Xmn100M
refuses "-Xmn needs -Xmx"
option jvm -Xms200M
option jvm -Xmx200M
refuses "-Xmn contradicts G1"
# Switched off later it is still there.
option jvm17 -XX:-UseG1GC
refuses "-Xmn contradicts G1"
without -XX:+UseG1GC
starts
passes -Xmn100M

case="without G1"
image 5.0
without -XX:+UseG1GC
starts
refuses "MAX_HEAP_SIZE and HEAP_NEWSIZE belong together" MAX_HEAP_SIZE=300M
refuses "MAX_HEAP_SIZE and HEAP_NEWSIZE belong together" HEAP_NEWSIZE=100M
starts MAX_HEAP_SIZE=300M HEAP_NEWSIZE=100M
passes -Xmn100M

case="root"
image 5.0
refuses "is root" FAKE_USER=0
refuses "is root" FAKE_GROUP=0
starts FAKE_USER=0 FAKE_GROUP=0 -R
starts FAKE_USER=1000650000 FAKE_GROUP=0 -R

case="Java"
refuses "Java 21 is not supported" FAKE_JAVA=21
refuses "Java 8 is not supported" FAKE_JAVA=8
starts FAKE_JAVA=21 CASSANDRA_USE_ALL_JDK=yes
starts FAKE_JAVA=11
passes -XX:MaxTenuringThreshold=1
[ "$(count -XX:MaxTenuringThreshold)" = 1 ] || fail "reads the options of two versions of Java"

case="options are split at blanks"
option jvm "-Da=b -Dc=d"
option jvm "# -Dno=option"
starts
passes -Da=b
passes -Dc=d
[ "$(count -Dno)" = 0 ] || fail "passes a comment on"

case="the log of the garbage collector"
option jvm "-Xlog:gc:file=/dev/null"
starts
[ "$(count -Xlog:gc)" = 1 ] || fail "overrides the log of the options"

case="JMX"
refuses "no $conf/jmxremote.password" LOCAL_JMX=no
refuses "no $conf/jmxremote.password" LOCAL_JMX=false
touch "$conf/jmxremote.password"
starts LOCAL_JMX=no JMX_PORT=7299
passes -Dcassandra.jmx.remote.port=7299
passes -Dcom.sun.management.jmxremote.authenticate=true

case="the environment comes last"
starts JVM_EXTRA_OPTS=-Dlast=yes JVM_OPTS=-Dfirst=yes
[[ $said == *-Dfirst=yes*-Da=b*-Dlast=yes* ]] || fail "has another order: $said"

[ $failures = 0 ]
