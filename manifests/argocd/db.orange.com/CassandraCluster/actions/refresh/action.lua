-- Load data files that were copied into a table's folder. Written by `make docs`.
local os = require("os")
local params = actionParams or {}
local request = "argocd-" .. os.date("!%Y%m%dT%H%M%SZ")
if (params["keyspace"] or "") == "" then
  error("keyspace is missing")
end
request = request .. ' --keyspace "' .. params["keyspace"] .. '"'
if (params["table"] or "") == "" then
  error("table is missing")
end
request = request .. ' --table "' .. params["table"] .. '"'
if (params.arguments or "") ~= "" then
  request = request .. " " .. params.arguments
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["operations.db.orange.com/refresh"] = request
return obj
