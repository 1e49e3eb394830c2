-- The actions of a CassandraCluster. Written by `make docs`.
local actions = {}
actions["cleanup"] = { params = { { name = "arguments" } } }
actions["flush"] = { params = { { name = "arguments" } } }
actions["restart"] = { params = { { name = "arguments" } } }
actions["repair"] = { params = { { name = "arguments" } } }
actions["rebuild"] = { params = { { name = "from-dc" }, { name = "arguments" } } }
actions["snapshot"] = { params = { { name = "name" }, { name = "arguments" } } }
actions["clearsnapshot"] = { params = { { name = "name" }, { name = "arguments" } } }
actions["refresh"] = { params = { { name = "keyspace" }, { name = "table" }, { name = "arguments" } } }
actions["backup"] = { params = { { name = "to" }, { name = "arguments" } } }
actions["verifybackup"] = { params = { { name = "from" }, { name = "backup" }, { name = "arguments" } } }
actions["deletebackup"] = { params = { { name = "from" }, { name = "backup" }, { name = "arguments" } } }
actions["upgradesstables"] = { params = { { name = "arguments" } } }
actions["compact"] = { params = { { name = "arguments" } } }
actions["garbagecollect"] = { params = { { name = "arguments" } } }
actions["scrub"] = { params = { { name = "arguments" } } }
actions["relocate"] = { params = { { name = "arguments" } } }
actions["drain"] = { params = { { name = "arguments" } } }

local unfinished, failed = false, false
local operations = obj.status ~= nil and obj.status.operations or {}
for _, operation in ipairs(operations) do
  unfinished = unfinished or operation.finishedAt == nil
  failed = failed or operation.phase == "Failed"
end
for _, name in ipairs({ "cancel", "pause", "resume" }) do
  actions[name] = { disabled = not unfinished }
end
actions["retry"] = { disabled = not failed }
local annotations = obj.metadata.annotations or {}
local paused = annotations["operations.db.orange.com/reconcile"] == "paused"
actions["pause-reconcile"] = { disabled = paused }
actions["resume-reconcile"] = { disabled = not paused }
return actions
