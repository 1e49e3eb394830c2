// Applies manifests as Flux's kustomize-controller does, and judges objects as Flux and Helm do, with Flux's own
// libraries.
//
//	casskop-flux apply     applies the objects on standard input; prints a line for each, with the change
//	casskop-flux delete    deletes the objects on standard input, as a Kustomization prunes
//	casskop-flux status    prints the kstatus of each object of the stream of JSON on standard input
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/utils"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"
)

const (
	manager = "kustomize-controller"
	group   = "kustomize.toolkit.fluxcd.io"
	// Deadline of a command; much longer than it takes.
	deadline = 2 * time.Minute
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: casskop-flux apply | delete | status")
	}
	switch args[0] {
	case "apply":
		return change(func(ctx context.Context, flux *ssa.ResourceManager, objects []*unstructured.Unstructured) (*ssa.ChangeSet, error) {
			return flux.ApplyAllStaged(ctx, objects, options())
		})
	case "delete":
		return change(func(ctx context.Context, flux *ssa.ResourceManager, objects []*unstructured.Unstructured) (*ssa.ChangeSet, error) {
			return flux.DeleteAll(ctx, objects, ssa.DeleteOptions{
				PropagationPolicy: metav1.DeletePropagationBackground,
			})
		})
	case "status":
		return statuses(os.Stdin)
	default:
		return fmt.Errorf("unknown command %q", args[0])
	}
}

// The clean-up of kustomize-controller before it applies: fields of kubectl become its own, so that those that are not
// in Git go.
func options() ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{corev1.LastAppliedConfigAnnotation, "kubectl.kubernetes.io/restartedAt"},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: manager, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
	}
	return options
}

type action func(context.Context, *ssa.ResourceManager, []*unstructured.Unstructured) (*ssa.ChangeSet, error)

func change(act action) error {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	objects, err := utils.ReadObjects(bufio.NewReader(os.Stdin))
	if err != nil {
		return fmt.Errorf("read the objects: %w", err)
	}
	kubeconfig, err := config.GetConfig()
	if err != nil {
		return fmt.Errorf("read the kubeconfig: %w", err)
	}
	api, err := client.New(kubeconfig, client.Options{})
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	flux := ssa.NewResourceManager(api, nil, ssa.Owner{Field: manager, Group: group})
	flux.SetOwnerLabels(objects, "ring", "flux-system")
	changes, err := act(ctx, flux, objects)
	if err != nil {
		return err
	}
	for _, entry := range changes.Entries {
		fmt.Printf("%s %s\n", entry.Subject, entry.Action)
	}
	return nil
}

// One line for each object.
func statuses(input io.Reader) error {
	decoder := json.NewDecoder(input)
	for {
		var text json.RawMessage
		err := decoder.Decode(&text)
		if errors.Is(err, io.EOF) {
			return nil
		}
		// As the API machinery reads it: whole numbers are no fractions.
		object := &unstructured.Unstructured{}
		if err == nil {
			err = object.UnmarshalJSON(text)
		}
		if err != nil {
			return fmt.Errorf("read an object: %w", err)
		}
		result, err := status.Compute(object)
		if err != nil {
			return fmt.Errorf("judge %s: %w", object.GetName(), err)
		}
		fmt.Println(result.Status)
	}
}
