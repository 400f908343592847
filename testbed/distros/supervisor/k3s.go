// k3s and RKE2: write containerd's configuration at each start, run containerd as a child, and end with it.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

func k3s(program string, words []string) error {
	if len(words) == 0 || !slices.Contains([]string{"server", "agent", "render"}, words[0]) {
		return fmt.Errorf("%s server|agent", program)
	}
	flags := flag.NewFlagSet(program, flag.ExitOnError)
	data := flags.String("data-dir", "/var/lib/rancher/"+program, "")
	pause := flags.String("pause-image", "rancher/mirrored-pause:3.6", "")
	snapshotter := flags.String("snapshotter", "overlayfs", "")
	usual := flags.String("default-runtime", "", "")
	rendering := flags.String("stand-in-rendering", "text", "text or merged: the generation")
	former := flags.Bool("stand-in-former", false, "as before containerd 2: it has no base of version 3")
	imports := flags.Bool("stand-in-imports", false, "the bases import drop-ins")
	folders := flags.Bool("stand-in-folders", false, "search runtimes in folders, not on PATH")
	rootless := flags.Bool("stand-in-rootless", false, "as in a user namespace without delegated cgroups")
	if err := flags.Parse(words[1:]); err != nil {
		return err
	}
	agent := filepath.Join(*data, "agent")
	values := node{
		Program:            program,
		Root:               filepath.Join(agent, "containerd"),
		State:              "/run/k3s/containerd",
		Address:            "/run/k3s/containerd/containerd.sock",
		Snapshotter:        *snapshotter,
		PauseImage:         *pause,
		DefaultRuntime:     *usual,
		CNIBinDir:          filepath.Join(*data, "data/cni"),
		CNIConfDir:         filepath.Join(agent, "etc/cni/net.d"),
		RegistryDir:        filepath.Join(agent, "etc/containerd/certs.d"),
		SystemdCgroup:      !*rootless,
		NoCgroup:           *rootless,
		UserNamespace:      *rootless,
		EnableUnprivileged: true,
	}
	bin := filepath.Join(*data, "data/current/bin")
	if resolved, err := filepath.EvalSymlinks(bin); err == nil {
		bin = resolved
	}
	if err := stage(program, bin, words); err != nil {
		return err
	}
	values.Found = detect(nil)
	if *folders {
		values.Found = detect(searched)
	}
	versions := []int{2, 3}
	if *former {
		versions = []int{2}
	}
	folder := filepath.Join(agent, "etc/containerd")
	text, err := render(folder, versions, *rendering == "merged", *imports, values)
	if err != nil {
		return err
	}
	if words[0] == "render" {
		_, err := os.Stdout.WriteString(text)
		return err
	}
	for _, one := range []string{folder, values.Root, values.State} {
		if err := os.MkdirAll(one, 0o711); err != nil {
			return err
		}
	}
	config := filepath.Join(folder, "config.toml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	return untilItEnds(config, values)
}

// stage puts the programs below the data folder on PATH, and runs the one of the same name, if it has one: what users install of k3s
// is an archive of that.
func stage(program, bin string, words []string) error {
	staged := filepath.Join(bin, program)
	self, err := os.Executable()
	if err != nil || self == staged {
		return err
	}
	if _, err := os.Stat(bin); err != nil {
		return nil // in tests of what it writes
	}
	path := fmt.Sprintf("%s:%s:%s/aux", bin, os.Getenv("PATH"), bin)
	if err := os.Setenv("PATH", path); err != nil {
		return err
	}
	if _, err := os.Stat(staged); err != nil {
		return nil // RKE2: containerd is a program of its own
	}
	return syscall.Exec(staged, append([]string{program}, words...), os.Environ())
}
