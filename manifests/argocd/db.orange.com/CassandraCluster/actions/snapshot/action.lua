-- Take a snapshot of the current data. Written by `make docs`.
local os = require("os")
local params = actionParams or {}
local request = "argocd-" .. os.date("!%Y%m%dT%H%M%SZ")
if (params["name"] or "") == "" then
  error("name is missing")
end
request = request .. ' --name "' .. params["name"] .. '"'
if (params.arguments or "") ~= "" then
  request = request .. " " .. params.arguments
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["operations.db.orange.com/snapshot"] = request
return obj
