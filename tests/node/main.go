// Command node is what a node of Kubernetes runs beside its container runtime:
// kubelet, kube-proxy, and, since this cluster has one node only, the scheduler
// and a name server for its Pods.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

const usage = `usage: node kubelet|kube-proxy|kube-scheduler [flags]
       node dns KUBECONFIG ADDRESS        names of Services, by UDP
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	entry := os.Args[1]
	os.Args = append([]string{entry}, os.Args[2:]...)
	switch entry {
	case "kubelet":
		run(kubelet.NewKubeletCommand(context.Background()))
	case "kube-proxy":
		run(proxy.NewProxyCommand())
	case "kube-scheduler":
		run(scheduler.NewSchedulerCommand())
	case "dns":
		if len(os.Args) != 3 {
			fmt.Fprint(os.Stderr, usage)
			os.Exit(2)
		}
		fmt.Fprintln(os.Stderr, serveNames(os.Args[1], os.Args[2]))
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "unknown entry %q\n%s", entry, usage)
		os.Exit(2)
	}
}

func run(command *cobra.Command) {
	os.Exit(cli.Run(command))
}
