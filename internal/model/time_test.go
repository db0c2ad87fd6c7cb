package model

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestTimeJSON(t *testing.T) {
	for in, want := range map[string]string{
		"2026-11-22T02:03:04Z":           `"2026-11-22T02:03:04.000Z"`,
		"2026-11-22T02:03:04.5Z":         `"2026-11-22T02:03:04.500Z"`,
		"2026-11-22T02:03:04.567Z":       `"2026-11-22T02:03:04.567Z"`,
		"2026-11-22T02:03:04.5678Z":      `"2026-11-22T02:03:04.567Z"`,
		"2026-11-22T02:03:04.123456789Z": `"2026-11-22T02:03:04.123Z"`,
		"2026-11-22T03:03:04.567+01:00":  `"2026-11-22T02:03:04.567Z"`,
		"0001-01-01T00:00:00Z":           `null`,
	} {
		p, err := time.Parse(time.RFC3339Nano, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(At(p))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
		var back Time
		if err := json.Unmarshal(got, &back); err != nil || !back.Equal(p.Truncate(time.Millisecond)) {
			t.Errorf("%s: read back as %v, %v", in, back, err)
		}
	}
	if b, err := json.Marshal(Alert{}); err != nil || string(b) != "{}" {
		t.Errorf("an empty alert is %s, %v: absent is omitted", b, err)
	}
	if FromMillis(0) != (Time{}) || FromMillis(-1) != (Time{}) {
		t.Error("0 ms means never")
	}
}

func TestFields(t *testing.T) {
	fields := Fields(reflect.TypeFor[Alert]())
	for _, want := range []string{"id", "ref", "time", "score_native.value", "host.name", "host.os.name", "process.parent.name", "target.hash.sha256", "attack", "ancestors"} {
		if !slices.Contains(fields, want) {
			t.Errorf("no field %q in %v", want, fields)
		}
	}
}

func TestPaths(t *testing.T) {
	for in, want := range map[string]string{`C:\a\b.exe`: "b.exe", "/usr/bin/x": "x", "x": "x", `a/b\c`: "c", "": "", `C:\`: ""} {
		if got := BaseName(in); got != want {
			t.Errorf("BaseName(%q) = %q, want %q", in, got, want)
		}
	}
	if u := SplitUser(`CORP\a.moreau`); u.Domain != "CORP" || u.Name != "a.moreau" {
		t.Errorf("%+v", u)
	}
	if SplitUser("") != nil || SplitUser("root").Name != "root" {
		t.Error("a user without a domain")
	}
}
