// Stand-ins for the supervisors of k3s, RKE2, k0s and MicroK8s, which no package registry has: this is none of them. It lays files
// out, writes containerd's configuration and starts containerd as their sources say (README.md of testbed/), and does nothing else:
// there is no Kubernetes in it. What it can be asked for beyond the real programs has --stand-in in its name.
//
//	k3s|rke2 server|agent|render [flags]     k3s.go; render writes the configuration to stdout and ends
//	k0s worker|controller|render [flags]     k0s.go
//	snap run|render microk8s.daemon-containerd    microk8s.go
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

var programs = map[string]func(words []string) error{
	"k3s":  func(words []string) error { return k3s("k3s", words) },
	"rke2": func(words []string) error { return k3s("rke2", words) },
	"k0s":  k0s,
	"snap": microk8s,
}

func main() {
	name := filepath.Base(os.Args[0])
	words := os.Args[1:]
	// By its own name, for tests: the first word is the program.
	if name == "supervisor" && len(words) > 0 {
		name, words = words[0], words[1:]
	}
	// Links to it: k3s-server, k3s-agent.
	name, command, isLink := strings.Cut(name, "-")
	if isLink {
		words = append([]string{command}, words...)
	}
	run, ok := programs[name]
	if !ok {
		fail(fmt.Errorf("no stand-in for %s", name))
	}
	if err := run(words); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "level=fatal msg=%q\n", err.Error())
	os.Exit(1)
}

func info(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "level=info msg=%q\n", fmt.Sprintf(format, values...))
}
