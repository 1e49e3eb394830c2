-- Ends the operations early that have not ended.
obj.metadata.annotations = obj.metadata.annotations or {}
local operations = obj.status ~= nil and obj.status.operations or {}
for _, operation in ipairs(operations) do
  if operation.finishedAt == nil then
    obj.metadata.annotations["operations.db.orange.com/" .. operation.kind .. ".cancel"] = operation.id
  end
end
return obj
