#!/bin/bash
# Archives the classes that Cassandra and nodetool load (AppCDS): a start then costs a quarter less of CPU time. Run with
# the image's own Java, because an archive is of one Java and of one class path.
#   archive.sh BASE_LAYER FOLDER     adds them to FOLDER, which is to become the layer over that base
set -euo pipefail
base=$1 folder=$2

# In a network of its own, where the only name is localhost.
if [ -z "${ARCHIVING:-}" ]; then
    place=$(mktemp -d -p "$(dirname "$folder")")
    trap 'rm -rf --one-file-system "$place"' EXIT
    mkdir "$place/base" "$place/changes" "$place/work" "$place/root"
    tar -C "$place/base" -xf "$base"
    ARCHIVING=$place unshare --mount --net --uts --pid --fork --kill-child --propagation private "$0" "$@"
    mkdir "$folder/opt/cassandra/archives"
    install -m 644 "$place/changes/archives/"*.jsa "$folder/opt/cassandra/archives/"
    exit
fi

cd "$ARCHIVING"
ip link set lo up
hostname localhost
mount -t overlay overlay -o "lowerdir=$folder:base,upperdir=changes,workdir=work" root
mount -t proc proc root/proc
mount --bind /dev root/dev
echo "127.0.0.1 localhost" >root/etc/hosts
install -d -m 777 root/archives

as_cassandra=(chroot --userspec=999:999 root)

jars=$(cd "$folder" && printf ':/%s' opt/cassandra/lib/*.jar)
conf=/etc/cassandra
touch started.log
options=$(grep -h '^-' root$conf/jvm-server.options "$(ls root$conf/jvm1?-server.options | tail -n 1)" | tr '\n' ' ')
# Ends with exit code 143, by the signal.
# shellcheck disable=SC2086 # one option per word
"${as_cassandra[@]}" java -XX:+UnlockDiagnosticVMOptions -XX:+AllowArchivingWithJavaAgent \
    -XX:ArchiveClassesAtExit=/archives/cassandra.jsa $options -Xms256M -Xmx256M \
    -javaagent:"/opt/cassandra/lib/$(basename root/opt/cassandra/lib/jamm-*.jar)" \
    -Dcassandra.config=file://$conf/cassandra.yaml -Dlogback.configurationFile=$conf/logback.xml \
    -Dcassandra.logdir=/var/log/cassandra -Dcassandra.storagedir=/var/lib/cassandra -Dcassandra-foreground=yes \
    -Dcassandra.jmx.local.port=7199 -Dcom.sun.management.jmxremote.authenticate=false \
    -Dcassandra.ring_delay_ms=1000 -Dcassandra.skip_wait_for_gossip_to_settle=0 \
    -cp "${jars#:}" org.apache.cassandra.service.CassandraDaemon >started.log 2>&1 &
daemon=$!
until grep -q "Startup complete" started.log; do
    if ! kill -0 $daemon; then
        tail started.log
        exit 1
    fi
    sleep 0.2
done
opens=$(cat root$conf/jvm1?-server.options | grep '^--add' | sort -u)
# shellcheck disable=SC2086
"${as_cassandra[@]}" java $opens -cp "${jars#:}" -XX:ArchiveClassesAtExit=/archives/nodetool.jsa \
    -Xmx128m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Duser.home=/tmp -Dcassandra.storagedir=/tmp \
    -Dlogback.configurationFile=$conf/logback-tools.xml org.apache.cassandra.tools.NodeTool status
kill $daemon
wait $daemon || true
ls -l changes/archives/cassandra.jsa changes/archives/nodetool.jsa
