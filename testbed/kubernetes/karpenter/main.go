// What Karpenter's own scheduling code does with one Pod: whether it launches a node for it from a NodePool, waits for one
// that it has launched, or says that no NodePool fits. A question and an answer are JSON, one a line.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/controllers/provisioning/scheduling"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/events"
	"sigs.k8s.io/karpenter/pkg/operator/options"
	constraints "sigs.k8s.io/karpenter/pkg/scheduling"
)

type question struct {
	NodePool *v1.NodePool `json:"nodePool"`
	Pod      *corev1.Pod  `json:"pod"`
	// A node that it launched before; both or neither.
	NodeClaim *v1.NodeClaim `json:"nodeClaim"`
	Node      *corev1.Node  `json:"node"`
}

type answer struct {
	// Nodes that it would launch, as their Nodes will be.
	Launches []launch `json:"launches"`
	// Nodes that are there already and that it waits for.
	Waits []string `json:"waits"`
	Error string   `json:"error"`
}

type launch struct {
	Labels        map[string]string `json:"labels"`
	StartupTaints []corev1.Taint    `json:"startupTaints"`
}

func anyOf(values map[string]string) constraints.Requirements {
	return constraints.NewLabelRequirements(values)
}

// One machine in one zone; its resources are more than any Pod here asks for.
func machine() *cloudprovider.InstanceType {
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("4"),
		corev1.ResourceMemory: resource.MustParse("8Gi"),
		corev1.ResourcePods:   resource.MustParse("100"),
	}
	return &cloudprovider.InstanceType{
		Name: "machine",
		Requirements: anyOf(map[string]string{
			corev1.LabelInstanceTypeStable: "machine",
			corev1.LabelArchStable:         "amd64",
			corev1.LabelOSStable:           "linux",
			corev1.LabelTopologyZone:       "zone-a",
			v1.CapacityTypeLabelKey:        v1.CapacityTypeOnDemand,
		}),
		Offerings: cloudprovider.Offerings{{
			Requirements: anyOf(map[string]string{
				corev1.LabelTopologyZone: "zone-a",
				v1.CapacityTypeLabelKey:  v1.CapacityTypeOnDemand,
			}),
			Price:     1,
			Available: true,
		}},
		Capacity: capacity,
		Overhead: &cloudprovider.InstanceTypeOverhead{},
	}
}

func ask(ctx context.Context, asked question) (answer, error) {
	byNode := func(pod client.Object) []string { return []string{pod.(*corev1.Pod).Spec.NodeName} }
	kube := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithIndex(&corev1.Pod{}, "spec.nodeName", byNode).Build()
	cluster := state.NewCluster(clock.RealClock{}, kube, nil)
	if asked.NodeClaim != nil {
		cluster.UpdateNodeClaim(asked.NodeClaim)
		if err := cluster.UpdateNode(ctx, asked.Node); err != nil {
			return answer{}, err
		}
	}
	nodes := []*state.StateNode(cluster.DeepCopyNodes().Active())
	pools := []*v1.NodePool{asked.NodePool}
	pods := []*corev1.Pod{asked.Pod}
	types := map[string][]*cloudprovider.InstanceType{asked.NodePool.Name: {machine()}}
	topology, err := scheduling.NewTopology(ctx, kube, cluster, nodes, pools, types, pods)
	if err != nil {
		return answer{}, err
	}
	scheduler := scheduling.NewScheduler(ctx, kube, pools, cluster, nodes, topology, types, nil,
		events.NewRecorder(&record.FakeRecorder{}), clock.RealClock{}, nil, nil)
	results, err := scheduler.Solve(ctx, pods)
	if err != nil {
		return answer{}, err
	}
	said := answer{Launches: []launch{}, Waits: []string{}}
	for _, made := range results.NewNodeClaims {
		claim := made.ToNodeClaim()
		said.Launches = append(said.Launches, launch{Labels: claim.Labels, StartupTaints: claim.Spec.StartupTaints})
	}
	for _, node := range results.ExistingNodes {
		if len(node.Pods) > 0 {
			said.Waits = append(said.Waits, node.Name())
		}
	}
	for _, err := range results.PodErrors {
		said.Error = err.Error()
	}
	return said, nil
}

func main() {
	ctx := options.ToContext(context.Background(), &options.Options{})
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for in.More() {
		var asked question
		err := in.Decode(&asked)
		var said answer
		if err == nil {
			said, err = ask(ctx, asked)
		}
		if err == nil {
			err = out.Encode(said)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
