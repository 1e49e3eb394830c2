-- Retries the failed nodes of the operations that failed.
obj.metadata.annotations = obj.metadata.annotations or {}
local operations = obj.status ~= nil and obj.status.operations or {}
for _, operation in ipairs(operations) do
  if operation.phase == "Failed" then
    obj.metadata.annotations["operations.db.orange.com/" .. operation.kind .. ".retry"] = operation.id
  end
end
return obj
