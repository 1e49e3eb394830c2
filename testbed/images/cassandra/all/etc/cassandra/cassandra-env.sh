# Read by bin/cassandra: adds to JVM_OPTS what depends on the machine, and refuses options that contradict each other.
# MAX_HEAP_SIZE (e.g. 512M) in the environment sets the heap unless the options files have -Xms and -Xmx;
# HEAP_NEWSIZE sets the young generation where G1 is not used.

# has OPTION: an option that begins so is among those of the files and of JVM_OPTS
has() { case " $JVM_OPTS" in *" $1"*) return 0 ;; *) return 1 ;; esac; }
refused() {
    echo "cassandra-env.sh: $*" >&2
    exit 1
}

# The machine's memory in MiB, as free -m prints it: the limit of a container is not part of it.
memory_mib() { echo $(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' "${MEMINFO:-/proc/meminfo}") / 1024)); }

# Half the memory up to 1 GiB, or a quarter of it up to 8 GiB, whichever is more.
heap_mib() {
    local memory half quarter
    memory=$(memory_mib)
    half=$((memory / 2 < 1024 ? memory / 2 : 1024))
    quarter=$((memory / 4 < 8192 ? memory / 4 : 8192))
    echo $((half > quarter ? half : quarter))
}

# ---- heap -------------------------------------------------------------------
pair="-Xms and -Xmx belong together: set both in jvm-server.options, or neither"
if has -Xms; then has -Xmx || refused "$pair"; fi
if has -Xmn; then
    has -Xmx || refused "-Xmn needs -Xmx: set both in jvm-server.options, or neither"
    ! has -XX:+UseG1GC || refused "-Xmn contradicts G1, which sizes the young generation itself: remove -Xmn"
fi
if ! has -XX:+UseG1GC && [ "${MAX_HEAP_SIZE:+set}" != "${HEAP_NEWSIZE:+set}" ]; then
    refused "MAX_HEAP_SIZE and HEAP_NEWSIZE belong together where G1 is not used: set both, or neither"
fi
if has -Xmx; then
    has -Xms || refused "$pair"
else
    MAX_HEAP_SIZE=${MAX_HEAP_SIZE:-$(heap_mib)M}
    JVM_OPTS="$JVM_OPTS -Xms$MAX_HEAP_SIZE -Xmx$MAX_HEAP_SIZE"
fi
if [ -n "$HEAP_NEWSIZE" ] && ! has -XX:+UseG1GC && ! has -Xmn; then JVM_OPTS="$JVM_OPTS -Xmn$HEAP_NEWSIZE"; fi

# ---- logs, memory, agents ---------------------------------------------------
if ! has -Xlog:gc; then
    mkdir -p "$CASSANDRA_LOG_DIR"
    JVM_OPTS="$JVM_OPTS -Xlog:gc:file=$CASSANDRA_LOG_DIR/gc.log:time,uptime:filecount=10,filesize=10m"
fi
JVM_OPTS="$JVM_OPTS -XX:CompileCommandFile=$CASSANDRA_CONF/hotspot_compiler"

# Many small malloc arenas waste memory in containers.
export MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-4}

# jamm measures objects; without it as an agent Cassandra 4.x does not start on Java 17.
JVM_OPTS="$JVM_OPTS -javaagent:$(echo "$CASSANDRA_HOME"/lib/jamm-*.jar)"

# ---- JMX --------------------------------------------------------------------
# On the loopback without a password, or, with LOCAL_JMX other than yes, on all addresses with the password of a file.
JMX_PORT=${JMX_PORT:-7199}
if [ "${LOCAL_JMX:-yes}" != yes ]; then
    passwords=$CASSANDRA_CONF/jmxremote.password
    [ -f "$passwords" ] || refused "LOCAL_JMX is not yes and there is no $passwords"
    JVM_OPTS="$JVM_OPTS -Dcassandra.jmx.remote.port=$JMX_PORT -Dcom.sun.management.jmxremote.rmi.port=$JMX_PORT"
    JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.authenticate=true"
    JVM_OPTS="$JVM_OPTS -Dcom.sun.management.jmxremote.password.file=$passwords"
else
    JVM_OPTS="$JVM_OPTS -Dcassandra.jmx.local.port=$JMX_PORT -Dcom.sun.management.jmxremote.authenticate=false"
fi

JVM_OPTS="$JVM_OPTS $JVM_EXTRA_OPTS"
