// k0s: containerd's configuration at each start, a watch on the folder of drop-ins, and a child that is started again when it ends.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

type k0sHost struct {
	data, run, etc, pause string
	// merges: k0s itself merges drop-ins of CRI, as before June 2026. After that containerd imports the folder.
	merges bool
}

func (host k0sHost) config() string  { return filepath.Join(host.etc, "containerd.toml") }
func (host k0sHost) dropIns() string { return filepath.Join(host.etc, "containerd.d") }

func k0s(words []string) error {
	if len(words) == 0 || !slices.Contains([]string{"worker", "controller", "render"}, words[0]) {
		return fmt.Errorf("k0s worker|controller")
	}
	flags := flag.NewFlagSet("k0s", flag.ExitOnError)
	var host k0sHost
	flags.StringVar(&host.data, "data-dir", "/var/lib/k0s", "")
	flags.Bool("enable-worker", false, "")
	flags.StringVar(&host.run, "stand-in-run", "/run/k0s", "")
	flags.StringVar(&host.etc, "stand-in-etc", "/etc/k0s", "")
	flags.StringVar(&host.pause, "stand-in-pause-image", "quay.io/k0sproject/pause:3.10.1", "")
	flags.BoolVar(&host.merges, "stand-in-merges", false, "merge drop-ins, as before containerd did it")
	if err := flags.Parse(words[1:]); err != nil {
		return err
	}
	for _, folder := range []string{host.data, host.run, host.dropIns()} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
	}
	// Its checks before a start.
	if err := host.check(); err != nil {
		return err
	}
	if err := host.write(); err != nil {
		return err
	}
	if words[0] == "render" {
		text, err := os.ReadFile(host.config())
		os.Stdout.Write(text)
		return err
	}
	child := supervised{host: host, argv: []string{
		filepath.Join(host.data, "bin/containerd"),
		"--root=" + filepath.Join(host.data, "containerd"),
		"--state=" + filepath.Join(host.run, "containerd"),
		"--address=" + filepath.Join(host.run, "containerd.sock"),
		"--log-level=info",
		"--config=" + host.config(),
	}}
	return child.supervise(host.watch)
}

// watch calls back three seconds after the last change of the folder.
func (host k0sHost) watch(ctx context.Context, changed func()) error {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return err
	}
	defer watcher.Close()
	if err := watcher.Add(host.dropIns()); err != nil {
		return err
	}
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case event := <-watcher.Events:
			if event.Op != fsnotify.Chmod {
				due = time.After(3 * time.Second)
			}
		case <-due:
			changed()
		}
	}
}
