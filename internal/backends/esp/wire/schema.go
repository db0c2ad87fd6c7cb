package wire

import (
	"strings"

	"github.com/edrctl/edrctl/internal/lazyregexp"
)

// Column is one column of an osquery table.
type Column struct {
	Name        string
	Type        string // TEXT, INTEGER, BIGINT, DOUBLE, …
	Description string
	Required    bool // the table needs a constraint on it
}

var createTable = lazyregexp.New(`(?is)^\s*CREATE\s+TABLE\s+\S+\s*\((.*)\)\s*;?\s*$`)

// ReadCreate reads the columns of a CREATE TABLE statement; nil when it is none.
func ReadCreate(sql string) []Column {
	m := createTable.FindStringSubmatch(sql)
	if m == nil {
		return nil
	}
	var cols []Column
	for _, part := range strings.Split(m[1], ",") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		c := Column{Name: strings.Trim(words[0], "`\"")}
		if len(words) > 1 {
			c.Type = strings.ToUpper(words[1])
		}
		cols = append(cols, c)
	}
	return cols
}
