package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const noticesFile = "THIRD_PARTY_NOTICES"

// systems are those a release is made for: each links other modules.
var systems = []string{"darwin", "freebsd", "linux", "windows"}

// module is one that is linked into edrctl on some system.
type module struct{ path, version, dir string }

// notices writes the licenses of everything that is linked into a release.
func notices() error {
	modules, err := linked()
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString(`edrctl contains the following third-party software and data.
Written by "go run ./cmd/gen"; changes here are lost.

`)
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	golang, err := licenses(strings.TrimSpace(string(goroot)))
	if err != nil {
		return err
	}
	section(&b, "Go, its runtime and standard library (https://go.dev)", golang)
	for _, m := range modules {
		text, err := licenses(m.dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
		section(&b, m.path+" "+m.version, text)
	}
	section(&b, "Data", dataNotices)
	return os.WriteFile(noticesFile, b.Bytes(), 0o644)
}

const dataNotices = `MITRE ATT&CK (https://attack.mitre.org), names of techniques and tactics:
(c) 2026 The MITRE Corporation. This work is reproduced and distributed with
the permission of The MITRE Corporation.

Public Suffix List (https://publicsuffix.org), in golang.org/x/net/publicsuffix:
subject to the terms of the Mozilla Public License, v. 2.0
(https://mozilla.org/MPL/2.0/).

IANA Time Zone Database (https://www.iana.org/time-zones), in time/tzdata:
in the public domain.
`

func section(b *bytes.Buffer, title, text string) {
	line := strings.Repeat("-", 78)
	fmt.Fprintf(b, "%s\n%s\n%s\n\n%s\n\n", line, title, line, strings.TrimSpace(text))
}

// linked lists the modules of the program on all systems, by path.
func linked() ([]module, error) {
	seen := map[string]module{}
	for _, system := range systems {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}\t{{.Version}}\t{{.Dir}}{{end}}{{end}}", "./cmd/edrctl")
		cmd.Env = append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("go list for %s: %w", system, err)
		}
		for line := range strings.Lines(string(out)) {
			if f := strings.Split(strings.TrimSpace(line), "\t"); len(f) == 3 {
				seen[f[0]] = module{f[0], f[1], f[2]}
			}
		}
	}
	var all []module
	for _, m := range seen {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.path, b.path) })
	return all, nil
}

// licenses reads the license and notice files at the top of a module.
func licenses(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var texts []string
	for _, e := range entries {
		name := strings.ToUpper(e.Name())
		if e.IsDir() || !slices.ContainsFunc([]string{"LICENSE", "LICENCE", "COPYING", "NOTICE"}, func(p string) bool { return strings.HasPrefix(name, p) }) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		texts = append(texts, strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n")))
	}
	if len(texts) == 0 {
		return "", errors.New("no license file in " + filepath.Base(dir))
	}
	return strings.Join(texts, "\n\n"), nil
}
