// The container runtimes that k3s finds on the PATH of its service, and gives a handler each.
package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

type found struct {
	Name, Type string
	// Binary is empty for shims, whose program follows from their type.
	Binary string
}

const runc = "io.containerd.runc.v2"

// oci: handler to program.
var oci = map[string]string{
	"crun":                "crun",
	"nvidia":              "nvidia-container-runtime",
	"nvidia-experimental": "nvidia-container-runtime-experimental",
	"nvidia-cdi":          "nvidia-container-runtime.cdi",
}

// shims: handler to version. The program is containerd-shim-NAME-VERSION.
var shims = map[string]string{
	"lunatic": "v1", "slight": "v1", "spin": "v2", "wws": "v1", "wasmedge": "v1", "wasmer": "v1", "wasmtime": "v1",
}

// searched are the folders that older versions searched in place of PATH; they gave every shim a type that ends in v2.
var searched = []string{"/opt/kwasm/bin", "/usr/bin", "/usr/sbin"}

func search(folders []string, program string) (string, bool) {
	if folders == nil {
		path, err := exec.LookPath(program)
		return path, err == nil
	}
	for _, folder := range folders {
		path := filepath.Join(folder, program)
		if facts, err := os.Stat(path); err == nil && facts.Mode()&0o111 != 0 {
			return path, true
		}
	}
	return "", false
}

// detect searches PATH, or the given folders as older versions did.
func detect(folders []string) []found {
	var all []found
	for name, program := range oci {
		if path, ok := search(folders, program); ok {
			all = append(all, found{Name: name, Type: runc, Binary: path})
		}
	}
	for name, version := range shims {
		program := "containerd-shim-" + name + "-" + version
		if folders != nil {
			program, version = "containerd-shim-"+name+"-v1", "v2"
		}
		if _, ok := search(folders, program); ok {
			all = append(all, found{Name: name, Type: "io.containerd." + name + "." + version})
		}
	}
	slices.SortFunc(all, func(a, b found) int { return strings.Compare(a.Name, b.Name) })
	return all
}
