package catalog_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/catalog"
)

func TestCatalogIsWhole(t *testing.T) {
	numbers, names := map[string]bool{}, map[string]bool{}
	for _, op := range catalog.Operations() {
		if names[op.Name] {
			t.Errorf("%s is twice", op.Name)
		}
		names[op.Name] = true
		n, _, _ := strings.Cut(op.Section, " ")
		if numbers[n] {
			t.Errorf("number %s is twice", n)
		}
		numbers[n] = true
		if !regexp.MustCompile(`^[a-z_]+(\.[a-z_]+)+$`).MatchString(op.Name) || op.Summary == "" || op.Returns == "json" {
			t.Errorf("%+v", op)
		}
		for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(op.Path, -1) {
			if !slices.ContainsFunc(op.Params, func(p backends.Param) bool { return p.Name == m[1] && p.In == "path" && p.Required }) {
				t.Errorf("%s: no parameter %s", op.Name, m[1])
			}
		}
		if op.Method == "DELETE" && !op.Mutates || op.Method == "GET" && op.Mutates {
			t.Errorf("%s: %s and mutates=%v", op.Name, op.Method, op.Mutates)
		}
	}
	for n := range 121 {
		if !numbers[fmt.Sprint(n)] {
			t.Errorf("operation %d of the document is missing", n)
		}
	}
	if len(numbers) != 121 { // 120 under the base, and the downloads
		t.Errorf("%d operations, want 120 and the downloads", len(numbers))
	}
	for _, danger := range []string{"iocs.add", "rules.set", "queries.set", "distributed.add", "hosts.delete", "results.delete", "response.add"} {
		op := catalog.Operations()[slices.IndexFunc(catalog.Operations(), func(o backends.Operation) bool { return o.Name == danger })]
		if op.Danger == "" || !op.Mutates {
			t.Errorf("%s is not marked as dangerous", danger)
		}
	}
}
