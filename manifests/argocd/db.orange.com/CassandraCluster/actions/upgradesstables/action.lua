-- Rewrite data files in the format of the running version of Cassandra, after an upgrade. Written by `make docs`.
local os = require("os")
local params = actionParams or {}
local request = "argocd-" .. os.date("!%Y%m%dT%H%M%SZ")
if (params.arguments or "") ~= "" then
  request = request .. " " .. params.arguments
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["operations.db.orange.com/upgradesstables"] = request
return obj
