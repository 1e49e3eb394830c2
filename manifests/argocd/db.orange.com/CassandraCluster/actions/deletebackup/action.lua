-- Delete a backup. Written by `make docs`.
local os = require("os")
local params = actionParams or {}
local request = "argocd-" .. os.date("!%Y%m%dT%H%M%SZ")
if (params["from"] or "") == "" then
  error("from is missing")
end
request = request .. ' --from "' .. params["from"] .. '"'
if (params["backup"] or "") == "" then
  error("backup is missing")
end
request = request .. ' --backup "' .. params["backup"] .. '"'
if (params.arguments or "") ~= "" then
  request = request .. " " .. params.arguments
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["operations.db.orange.com/deletebackup"] = request
return obj
