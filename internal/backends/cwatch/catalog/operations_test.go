package catalog

import "testing"

func TestCatalog(t *testing.T) {
	ops := Operations()
	if len(ops) != 14 {
		t.Errorf("%d operations", len(ops))
	}
	seen := map[string]bool{}
	for _, o := range ops {
		if seen[o.Name] || seen[o.Method+o.Path] {
			t.Errorf("%s twice", o.Name)
		}
		seen[o.Name], seen[o.Method+o.Path] = true, true
		if o.Mutates != (o.Method != "GET") || o.Section == "" || o.Summary == "" {
			t.Errorf("%+v", o)
		}
		if (o.Danger != "") != (o.Method+o.Path == "PUT/alert") {
			t.Errorf("danger of %s", o.Name)
		}
	}
}
