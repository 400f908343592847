// MicroK8s: its containerd's wrapper fills a template at each start, and becomes containerd.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// microk8s is `snap run microk8s.daemon-containerd`. Links of the name current lead to the folders of a revision, and
// programs get those, not the links.
func microk8s(words []string) error {
	if len(words) < 2 || (words[0] != "run" && words[0] != "render") || words[1] != "microk8s.daemon-containerd" {
		return fmt.Errorf("snap run microk8s.daemon-containerd")
	}
	root := os.Getenv("STAND_IN_ROOT") // for tests; empty on a node
	variables := map[string]string{"SNAPSHOTTER": "overlayfs", "RUNTIME": "runc", "RUNTIME_TYPE": "io.containerd.runc.v2"}
	for name, link := range map[string]string{"SNAP": "/snap/microk8s/current", "SNAP_DATA": "/var/snap/microk8s/current"} {
		resolved, err := filepath.EvalSymlinks(root + link)
		if err != nil {
			return err
		}
		variables[name] = resolved
	}
	variables["SNAP_COMMON"] = root + "/var/snap/microk8s/common"
	arguments := filepath.Join(variables["SNAP_DATA"], "args")
	template, err := os.ReadFile(filepath.Join(arguments, "containerd-template.toml"))
	if err != nil {
		return err
	}
	text := string(template)
	// These alone, and only in this form: the wrapper calls sed.
	for _, name := range []string{"SNAP", "SNAP_DATA", "SNAPSHOTTER", "RUNTIME", "RUNTIME_TYPE"} {
		text = strings.ReplaceAll(text, "${"+name+"}", variables[name])
	}
	if words[0] == "render" {
		_, err := os.Stdout.WriteString(text)
		return err
	}
	if err := os.WriteFile(filepath.Join(arguments, "containerd.toml"), []byte(text), 0o644); err != nil {
		return err
	}
	flags, err := os.ReadFile(filepath.Join(arguments, "containerd"))
	if err != nil {
		return err
	}
	for name, value := range variables {
		os.Setenv(name, value)
	}
	snap := variables["SNAP"]
	path := []string{"usr/sbin", "usr/bin", "sbin", "bin"}
	for at, one := range path {
		path[at] = filepath.Join(snap, one)
	}
	os.Setenv("PATH", strings.Join(append(path, os.Getenv("PATH")), ":"))
	program := filepath.Join(snap, "bin/containerd")
	argv := append([]string{program}, strings.Fields(os.ExpandEnv(string(flags)))...)
	return syscall.Exec(program, argv, os.Environ())
}
