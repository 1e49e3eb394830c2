-- Pauses all changes of the cluster.
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["operations.db.orange.com/reconcile"] = "paused"
return obj
