-- Copy the current data to a store outside of the cluster. Written by `make docs`.
local os = require("os")
local params = actionParams or {}
local request = "argocd-" .. os.date("!%Y%m%dT%H%M%SZ")
if (params["to"] or "") == "" then
  error("to is missing")
end
request = request .. ' --to "' .. params["to"] .. '"'
if (params.arguments or "") ~= "" then
  request = request .. " " .. params.arguments
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["operations.db.orange.com/backup"] = request
return obj
