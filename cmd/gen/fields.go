package main

import (
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/schema"
)

// fieldTables is a table for each kind of record: a row a field that some product
// fills, a column a product. Of events there is a table of the kinds before it.
func fieldTables() string {
	var out strings.Builder
	all := backends.All()
	for _, record := range []string{"alert", "event", "process", "host"} {
		fmt.Fprintf(&out, "## %ss\n\n", strings.ToUpper(record[:1])+record[1:])
		if record == "event" {
			eventKindTable(&out, all)
		}
		heading(&out, "field", all)
		kind, _ := schema.Lookup(record)
		for _, f := range kind.Fields() {
			row, any := fmt.Sprintf("| `%s` |", f.Name), false
			for _, b := range all {
				fill := b.Fill(record, "", f.Name)
				any = any || fill != backends.FillNever
				row += " " + fillMark[fill] + " |"
			}
			if any && f.Type != "object" {
				out.WriteString(row + "\n")
			}
		}
		out.WriteByte('\n')
	}
	return strings.TrimSuffix(out.String(), "\n")
}

var fillMark = map[backends.Fill]string{backends.FillAlways: "always", backends.FillSometimes: "sometimes", backends.FillNever: "–"}

func eventKindTable(out *strings.Builder, all []backends.Backend) {
	heading(out, "kind of event", all)
	kind, _ := schema.Lookup("event")
	for _, f := range kind.Fields() {
		if f.Name != "kind" {
			continue
		}
		for _, k := range f.Values {
			row, any := fmt.Sprintf("| `%s` |", k), false
			for _, b := range all {
				mark := "–"
				for _, has := range b.Kinds() {
					if string(has) == k {
						mark, any = "yes", true
					}
				}
				row += " " + mark + " |"
			}
			if any {
				out.WriteString(row + "\n")
			}
		}
	}
	out.WriteByte('\n')
}

func heading(out *strings.Builder, first string, all []backends.Backend) {
	line := "| --- |"
	fmt.Fprintf(out, "| %s |", first)
	for _, b := range all {
		fmt.Fprintf(out, " %s |", b.Name)
		line += " :-: |"
	}
	out.WriteString("\n" + line + "\n")
}
