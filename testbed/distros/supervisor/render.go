// The two generations in which k3s makes containerd's configuration of its base and of the administrator's template.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"dario.cat/mergo"
	"github.com/pelletier/go-toml/v2"
)

// templates in the order of preference, and the version of the base that belongs to each.
var templates = []struct {
	file    string
	version int
}{{"config-v3.toml.tmpl", 3}, {"config.toml.tmpl", 2}}

var functions = template.FuncMap{
	"q":          strconv.Quote,
	"deschemify": func(address string) string { return strings.TrimPrefix(address, "unix://") },
}

func execute(text, base string, values node) (string, error) {
	parsed, err := template.New("config").Funcs(functions).Parse(text)
	if err != nil {
		return "", err
	}
	if _, err := parsed.New("base").Parse(base); err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, values)
	return out.String(), err
}

// chosen returns the first template that exists, and the version of its base. Without one: the newest version.
func chosen(folder string, versions []int) (path, text string, version int, err error) {
	for _, one := range templates {
		if !slices.Contains(versions, one.version) {
			continue
		}
		path := filepath.Join(folder, one.file)
		bytes, err := os.ReadFile(path)
		if err == nil {
			return path, string(bytes), one.version, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", "", 0, err
		}
		version = max(version, one.version)
	}
	return "", "", version, nil
}

// render: with merges, base and template are rendered apart and merged as TOML; without, the template's text is all.
func render(folder string, versions []int, merges, imports bool, values node) (string, error) {
	path, text, version, err := chosen(folder, versions)
	if err != nil {
		return "", err
	}
	if imports {
		values.Imports = filepath.Join(folder, map[int]string{3: "config-v3.toml.d", 2: "config.toml.d"}[version], "*.toml")
	}
	base := bases[version]
	if path == "" {
		return execute(base, "", values)
	}
	info("Using containerd template at %s", path)
	if !merges {
		return execute(text, base, values)
	}
	merged := map[string]any{}
	if err := parse(base, values, merged); err != nil {
		return "", fmt.Errorf("base: %w", err)
	}
	user := map[string]any{}
	if err := parse(text, values, user); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	if err := mergo.Merge(&merged, user, mergo.WithOverride); err != nil {
		return "", err
	}
	body, err := toml.Marshal(merged)
	if err != nil {
		return "", err
	}
	first, err := execute(header, "", values)
	return first + string(body), err
}

func parse(text string, values node, into map[string]any) error {
	// "base" is empty here: the template can name it, and gets the base all the same.
	rendered, err := execute(text, "", values)
	if err != nil {
		return err
	}
	return toml.Unmarshal([]byte(rendered), &into)
}
