# Read by bin/cassandra: adds to JVM_OPTS what depends on the machine.
# MAX_HEAP_SIZE (e.g. 512M) in the environment sets the heap, as does -Xmx in
# jvm-server.options; HEAP_NEWSIZE sets the young generation where G1 is not used.

# The memory there is, in MiB: the machine's, or the container's limit if less.
memory_mib() {
    local mib limit
    mib=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
    for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
        limit=$(cat "$file" 2>/dev/null)
        case $limit in *[0-9]) [ $((limit / 1048576)) -lt "$mib" ] && mib=$((limit / 1048576)) ;; esac
    done
    echo "$mib"
}

# Half the memory up to 1 GiB, or a quarter of it up to 8 GiB, whichever is more.
heap_mib() {
    local memory half quarter
    memory=$(memory_mib)
    half=$((memory / 2 < 1024 ? memory / 2 : 1024))
    quarter=$((memory / 4 < 8192 ? memory / 4 : 8192))
    echo $((half > quarter ? half : quarter))
}

case " $JVM_OPTS " in
    *" -Xmx"*) ;;
    *)
        MAX_HEAP_SIZE=${MAX_HEAP_SIZE:-$(heap_mib)M}
        JVM_OPTS="$JVM_OPTS -Xms$MAX_HEAP_SIZE -Xmx$MAX_HEAP_SIZE"
        ;;
esac
case " $JVM_OPTS " in
    *" -XX:+UseG1GC "* | *" -Xmn"*) ;;
    *) [ -n "$HEAP_NEWSIZE" ] && JVM_OPTS="$JVM_OPTS -Xmn$HEAP_NEWSIZE" ;;
esac

# Many small malloc arenas waste memory in containers.
export MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-4}

# jamm measures objects; without it as an agent Cassandra 4.x does not start on Java 17.
JVM_OPTS="$JVM_OPTS -javaagent:$(echo "$CASSANDRA_HOME"/lib/jamm-*.jar)"

# An out-of-memory JVM is of no use to anyone; let it be restarted.
JVM_OPTS="$JVM_OPTS -XX:+ExitOnOutOfMemoryError"

# JMX for nodetool on the same machine only.
JMX_PORT=${JMX_PORT:-7199}
JVM_OPTS="$JVM_OPTS -Dcassandra.jmx.local.port=$JMX_PORT -Dcom.sun.management.jmxremote.authenticate=false"

JVM_OPTS="$JVM_OPTS $JVM_EXTRA_OPTS"
