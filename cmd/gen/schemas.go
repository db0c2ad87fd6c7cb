package main

import (
	"encoding/json"

	"github.com/edrctl/edrctl/internal/schema"
)

// schemas publishes the JSON Schema of every kind of record.
func schemas() error {
	files := map[string][]byte{}
	for _, k := range schema.Kinds {
		b, err := json.MarshalIndent(k.JSONSchema(), "", "  ")
		if err != nil {
			return err
		}
		files[k.Name+".json"] = append(b, '\n')
	}
	return writeAll("docs/schema/v1", ".json", files)
}
