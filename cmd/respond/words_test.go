package respond_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/cmd/cli"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
)

// odd is a backend whose ids are whatever a product may use: every record has
// the id that oddIDs holds at its place.
type odd struct{}

var oddIDs = []string{"plain-1", "EVIL HOST", "bücher", "100%", "a%20b", "%41", "x%2520y", "tab\tline", "–dash", "a/b c", "日本"}

var oddTime = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func (odd) Backend() string                                      { return "odd" }
func (odd) Check(context.Context) (h backends.Health, err error) { return h, nil }
func (odd) Close() error                                         { return nil }
func (odd) Verbs() []backends.VerbSpec {
	return []backends.VerbSpec{{Verb: backends.VerbKill, Needs: []string{"pid"}}, {Verb: backends.VerbIsolate}, {Verb: backends.VerbAlertClose, Needs: []string{"alert"}}}
}

func (odd) Preview(_ context.Context, c backends.Change) (backends.Preview, error) {
	name := c.AlertID
	if c.Host != nil {
		name = c.Host.ID
	}
	return backends.Preview{Requests: []string{fmt.Sprintf("POST %q", name)}, Summary: "tries"}, nil
}

func (odd) Apply(context.Context, backends.Change, func(*model.Action)) (*model.Action, error) {
	return nil, backends.Unsupported("odd", "cannot send anything", "")
}

func (odd) alert(id string) *model.Alert {
	return &model.Alert{Origin: model.Origin{ID: id}, Time: model.At(oddTime), Title: "t", Host: &model.Host{Origin: model.Origin{ID: id}, Name: "h"}, Process: &model.Process{PID: 7}}
}

func (odd) event(id string) *model.Event {
	return &model.Event{Origin: model.Origin{ID: id}, Time: model.At(oddTime), Kind: model.KindOther, Host: &model.Host{Origin: model.Origin{ID: id}, Name: "h"}}
}

func listed[T any](each func(string) T) (backends.Listing[T], error) {
	var seq iter.Seq2[T, error] = func(yield func(T, error) bool) {
		for _, id := range oddIDs {
			if !yield(each(id), nil) {
				return
			}
		}
	}
	return backends.Listing[T]{Seq: seq}, nil
}

func found[T any](each func(string) T, id string) (t T, err error) {
	for _, known := range oddIDs {
		if id == known {
			return each(id), nil
		}
	}
	return t, backends.NotFound("record", id)
}

func (odd) host(id string) *model.Host {
	return &model.Host{Origin: model.Origin{ID: id}, Name: fmt.Sprintf("name-%02d", slices.Index(oddIDs, id))}
}

func (o odd) Alerts(context.Context, backends.Query) (backends.Listing[*model.Alert], error) {
	return listed(o.alert)
}
func (o odd) Events(context.Context, backends.Query) (backends.Listing[*model.Event], error) {
	return listed(o.event)
}
func (o odd) Hosts(context.Context, backends.Query) (backends.Listing[*model.Host], error) {
	return listed(o.host)
}
func (o odd) Alert(_ context.Context, id string, _ bool) (*model.Alert, error) {
	return found(o.alert, id)
}
func (o odd) Event(_ context.Context, id string, _ bool) (*model.Event, error) {
	return found(o.event, id)
}
func (o odd) Host(_ context.Context, id string, _ bool) (*model.Host, error) {
	return found(o.host, id)
}

// What -o id prints is one word of printable ASCII, and every command that
// takes a ref or a host takes it: as an operand, from standard input, from a
// file of hosts, and as the value of a flag.
func TestWordsOfIDsAreTakenEverywhere(t *testing.T) {
	backends.Register(backends.Backend{
		Name: "odd", Title: "Odd", DefaultURL: "https://odd.invalid",
		New:     func(backends.Options) (backends.Driver, error) { return odd{}, nil },
		Catalog: func() []backends.Operation { return nil },
	})
	home := t.TempDir()
	config := filepath.Join(home, "config.yaml")
	if err := os.WriteFile(config, []byte("profiles:\n  p: {backend: odd, url: \"https://odd.invalid\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"HOME": home, "EDRCTL_CONFIG": config}
	run := func(stdin string, args ...string) (int, string, string) {
		ios, in, out, errOut := iostreams.Test()
		in.WriteString(stdin)
		code := cli.Main(args, ios, func(k string) string { return env[k] })
		return code, out.String(), errOut.String()
	}
	words := func(args ...string) []string {
		code, out, e := run("", append(args, "-o", "id")...)
		list := strings.Fields(out)
		if code != 0 || len(list) != len(oddIDs) || strings.Count(out, "\n") != len(oddIDs) {
			t.Fatalf("%v: exit %d: %q %s", args, code, out, e)
		}
		return list
	}
	window := []string{"--since", "2026-11-01", "--until", "2026-11-28"}
	alerts, events, hosts := words(append([]string{"alerts", "list"}, window...)...), words(append([]string{"events", "list"}, window...)...), words("hosts", "list")
	list := filepath.Join(home, "hosts.txt")
	for i := range oddIDs {
		if err := os.WriteFile(list, []byte(hosts[i]+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			stdin string
			want  string // in what is printed: the id itself
			args  []string
		}{
			{"", "", []string{"alerts", "get", alerts[i], "-o", "id"}},
			{alerts[i] + "\n", "", []string{"alerts", "get", "-", "-o", "id"}},
			{"", "", []string{"events", "get", events[i], "-o", "id"}},
			{"", "", []string{"hosts", "get", hosts[i], "-o", "id"}},
			{"", "POST", []string{"alerts", "close", alerts[i], "--dry-run"}},
			{alerts[i] + "\n", "POST", []string{"alerts", "close", "-", "--dry-run"}},
			{"", "POST", []string{"respond", "kill", "--from-alert", alerts[i], "--dry-run"}},
			{"", "POST", []string{"respond", "isolate", hosts[i], "--dry-run"}},
			{"", "POST", []string{"respond", "isolate", "--hosts-file", list, "--dry-run"}},
			{"", "around", append([]string{"events", "list", "--around", events[i], "-o", "id"}, "--host", "h")},
			{"", "around", append([]string{"alerts", "list", "--around", alerts[i], "-o", "id"}, "--host", "h")},
		} {
			code, out, e := run(tc.stdin, tc.args...)
			ok := code == 0
			switch tc.want {
			case "":
				ok = ok && strings.TrimSpace(out) == map[string][]string{"alerts": alerts, "events": events, "hosts": hosts}[tc.args[0]][i]
			case "POST":
				ok = ok && strings.Contains(out, fmt.Sprintf("POST %q", oddIDs[i]))
			case "around":
				ok = ok && len(bytes.Fields([]byte(out))) == len(oddIDs)
			}
			if !ok {
				t.Errorf("%q: %v: exit %d: %q %s", oddIDs[i], tc.args, code, out, e)
			}
		}
	}
}
