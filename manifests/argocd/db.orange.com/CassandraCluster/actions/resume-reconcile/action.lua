-- Goes on with the changes of the cluster.
if obj.metadata.annotations ~= nil then
  obj.metadata.annotations["operations.db.orange.com/reconcile"] = nil
end
return obj
