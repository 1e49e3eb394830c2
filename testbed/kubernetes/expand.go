package main

import (
	"context"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// expandVolumes grants a claim that asks for more than it has what it asks
// for: first the PV's capacity, then the claim's, in the order a CSI resizer
// has. A directory has no size, so there is nothing else to do. Whether a class
// allows expansion at all is for the API server to say: it refuses the larger
// request before it gets here.
func expandVolumes(ctx context.Context, client kubernetes.Interface) {
	// What fails (say, on a conflict) is tried again at the next resync.
	factory := informers.NewSharedInformerFactory(client, 10*time.Second)
	claims := factory.Core().V1().PersistentVolumeClaims().Informer()
	try := func(object any) {
		claim := object.(*core.PersistentVolumeClaim)
		if err := expand(ctx, client, claim); err != nil {
			klog.ErrorS(err, "expand", "claim", klog.KObj(claim))
		}
	}
	if _, err := claims.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    try,
		UpdateFunc: func(_, object any) { try(object) },
	}); err != nil {
		klog.ErrorS(err, "watch claims")
	}
	factory.Start(ctx.Done())
}

func expand(ctx context.Context, client kubernetes.Interface, claim *core.PersistentVolumeClaim) error {
	wanted := claim.Spec.Resources.Requests[core.ResourceStorage]
	has := claim.Status.Capacity[core.ResourceStorage]
	if claim.Status.Phase != core.ClaimBound || wanted.Cmp(has) <= 0 {
		return nil
	}
	volume, err := client.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, meta.GetOptions{})
	if err != nil || volume.Annotations["pv.kubernetes.io/provisioned-by"] != provisionerName {
		return err
	}
	if size := volume.Spec.Capacity[core.ResourceStorage]; wanted.Cmp(size) > 0 {
		volume.Spec.Capacity[core.ResourceStorage] = wanted
		if _, err := client.CoreV1().PersistentVolumes().Update(ctx, volume, meta.UpdateOptions{}); err != nil {
			return err
		}
	}
	claim = claim.DeepCopy()
	claim.Status.Capacity[core.ResourceStorage] = wanted
	claim.Status.Conditions = nil
	_, err = client.CoreV1().PersistentVolumeClaims(claim.Namespace).UpdateStatus(ctx, claim, meta.UpdateOptions{})
	return err
}
