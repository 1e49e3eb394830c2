
# ---- the agent of the Management API ----------------------------------------
# Here an agent that only the server in the container reaches.
if ! has -javaagent:/opt/management-api/; then
    JVM_OPTS="$JVM_OPTS -javaagent:/opt/management-api/agent.jar=host=127.0.0.1,port=8779,discoveryEnabled=false,executor=cached"
fi
