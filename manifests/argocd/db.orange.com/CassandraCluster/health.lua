-- Health of a CassandraCluster or MultiCasskop by its conditions. A fault of a node is degraded although the operator may mend it.
local function condition(kind)
  local conditions = obj.status ~= nil and obj.status.conditions or {}
  for _, found in ipairs(conditions) do
    if found.type == kind then
      return found
    end
  end
  return {}
end

local annotations = obj.metadata.annotations or {}
if annotations["operations.db.orange.com/reconcile"] == "paused" then
  return { status = "Suspended", message = "reconciliation is paused" }
end

if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return { status = "Progressing", message = "the operator has not observed the last change" }
end

-- A restart takes nodes down by request.
local operations = obj.status.operations or {}
for _, operation in ipairs(operations) do
  if operation.kind == "restart" and operation.phase == "Running" then
    return { status = "Progressing", message = operation.message }
  end
end

for _, kind in ipairs({ "Stalled", "Degraded" }) do
  local found = condition(kind)
  if found.status == "True" then
    return { status = "Degraded", message = found.message }
  end
end

local ready = condition("Ready")
if ready.status == "True" then
  return { status = "Healthy", message = ready.message }
end
return { status = "Progressing", message = condition("Reconciling").message or ready.message }
