package hunt

import (
	"maps"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/cache"
	"github.com/edrctl/edrctl/internal/hunt"
)

// Where the schema of the last live query is kept for completion.
const (
	schemaOwner = "live"
	tablesKind  = "tables"
	columnsKind = "columns"
)

// keepSchema keeps the names a query may use; a cache that cannot be written
// is not a failure.
func keepSchema(f *cmdutil.Factory, plans []hunt.LivePlan) {
	c, err := f.Cache()
	if err != nil {
		f.Debugf(err)
		return
	}
	tables, columns := map[string]string{}, map[string]string{}
	for _, p := range plans {
		for table, list := range p.Schema {
			var names []string
			for _, col := range list {
				names = append(names, col.Name)
				columns[col.Name] = col.Type
			}
			tables[table] = strings.Join(names, " ")
		}
	}
	f.Debugf(c.Put(schemaOwner, tablesKind, entries(tables)))
	f.Debugf(c.Put(schemaOwner, columnsKind, entries(columns)))
}

func entries(words map[string]string) []cache.Entry {
	var out []cache.Entry
	for _, w := range slices.Sorted(maps.Keys(words)) {
		out = append(out, cache.Entry{Word: w, Help: words[w]})
	}
	return out
}

// completeSQL completes the last word of a query: a table after from and join,
// else a column or a table. It never asks a server.
func completeSQL(f *cmdutil.Factory, typed string) []string {
	c, err := f.Cache()
	if err != nil {
		return nil
	}
	cut := strings.LastIndexAny(typed, " \t\n(,=<>") + 1
	before, word := typed[:cut], typed[cut:]
	words := strings.Fields(strings.ToLower(before))
	list := c.Get(schemaOwner, tablesKind)
	if n := len(words); n == 0 || words[n-1] != "from" && words[n-1] != "join" {
		list = append(c.Get(schemaOwner, columnsKind), list...)
	}
	var out []string
	for _, e := range list {
		if cmdutil.SafeWord(e.Word) && strings.HasPrefix(strings.ToLower(e.Word), strings.ToLower(word)) {
			out = append(out, before+e.Word+"\t"+e.Help)
		}
	}
	return out
}
