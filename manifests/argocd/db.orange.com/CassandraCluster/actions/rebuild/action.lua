-- Stream data from another data center, after this data center was added. Written by `make docs`.
local os = require("os")
local params = actionParams or {}
local request = "argocd-" .. os.date("!%Y%m%dT%H%M%SZ")
if (params["from-dc"] or "") == "" then
  error("from-dc is missing")
end
request = request .. ' --from-dc "' .. params["from-dc"] .. '"'
if (params.arguments or "") ~= "" then
  request = request .. " " .. params.arguments
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["operations.db.orange.com/rebuild"] = request
return obj
