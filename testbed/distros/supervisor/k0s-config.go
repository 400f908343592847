// The configuration of k0s's containerd: what k0s writes, and which drop-ins it refuses.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"dario.cat/mergo"
	"github.com/pelletier/go-toml/v2"
)

const managed = "# k0s_managed=true\n"

// check refuses drop-ins that containerd 2 would not read as they are meant.
func (host k0sHost) check() error {
	files, err := filepath.Glob(filepath.Join(host.dropIns(), "*.toml"))
	for _, file := range files {
		if _, err := checked(file); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return err
}

func checked(file string) (map[string]any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	tree := map[string]any{}
	if err := toml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	if version, ok := tree["version"]; ok && version != int64(3) {
		return nil, fmt.Errorf("unsupported configuration version: expected 3, got %v", version)
	}
	plugins, _ := tree["plugins"].(map[string]any)
	if _, ok := plugins["io.containerd.grpc.v1.cri"]; ok {
		return nil, fmt.Errorf("a table of io.containerd.grpc.v1.cri, which is of containerd 1")
	}
	return tree, nil
}

// write makes the configuration anew, unless its first line says that it is not k0s's.
func (host k0sHost) write() error {
	found, err := os.ReadFile(host.config())
	if err == nil && !strings.HasPrefix(string(found), managed) {
		info("%s is not managed by k0s", host.config())
		return nil
	}
	cri := map[string]any{"version": 3, "plugins": map[string]any{
		"io.containerd.cri.v1.images":  map[string]any{"pinned_images": map[string]any{"sandbox": host.pause}},
		"io.containerd.cri.v1.runtime": map[string]any{},
	}}
	if !host.merges {
		cri["imports"] = []string{filepath.Join(host.dropIns(), "*.toml")}
		return place(host.config(), managed, cri)
	}
	imports, err := host.merge(cri)
	if err != nil {
		return err
	}
	merged := filepath.Join(host.run, "containerd-cri.toml")
	if err := place(merged, "", cri); err != nil {
		return err
	}
	return place(host.config(), managed, map[string]any{"version": 3, "imports": append(imports, merged)})
}

// merge puts drop-ins with tables of CRI into the tree; the others containerd has to import.
func (host k0sHost) merge(cri map[string]any) (imports []string, err error) {
	files, err := filepath.Glob(filepath.Join(host.dropIns(), "*.toml"))
	for _, file := range files {
		tree, err := checked(file)
		if err != nil {
			return nil, err
		}
		plugins, _ := tree["plugins"].(map[string]any)
		if plugins["io.containerd.cri.v1.images"] == nil && plugins["io.containerd.cri.v1.runtime"] == nil {
			imports = append(imports, file)
		} else if err := mergo.Merge(&cri, tree, mergo.WithOverride); err != nil {
			return nil, err
		}
	}
	return imports, err
}

func place(path, first string, tree map[string]any) error {
	body, err := toml.Marshal(tree)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", append([]byte(first), body...), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
