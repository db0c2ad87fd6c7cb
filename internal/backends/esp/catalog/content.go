package catalog

import (
	"github.com/edrctl/edrctl/internal/backends"
)

// contentOperations are the blueprints tags, yara, iocs and schema (docs/wire/esp.md §17).
var contentOperations = []backends.Operation{
	{
		Name: "tags.list", Method: "GET", Path: "/tags",
		Summary: "List tags", Section: "39 tags", Paging: "offset",
		Params: []backends.Param{
			{Name: "start", In: "query", Type: "int"},
			{Name: "limit", In: "query", Type: "int"},
			{Name: "searchterm", In: "query", Type: "string", Help: "case-insensitive part of the text"},
		},
	},
	{
		Name: "tags.add", Method: "POST", Path: "/tags/add",
		Summary: "Add a tag", Section: "40 tags", Body: "json", Mutates: true, Makes: []string{"tag"},
		Params: []backends.Param{
			{Name: "tag", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "tags.delete", Method: "POST", Path: "/tags/delete",
		Summary: "Delete a tag", Section: "41 tags", Body: "json", Mutates: true,
		Danger: "removes the tag from everything that carries it",
		Params: []backends.Param{
			{Name: "tag", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "tags.tagged", Method: "POST", Path: "/tags/tagged",
		Summary: "List what carries a tag", Section: "42 tags", Body: "json",
		Params: []backends.Param{
			{Name: "tags", In: "body", Type: "string", Required: true, Help: "separated by commas"},
		},
	},
	{
		Name: "yara.list", Method: "GET", Path: "/yara",
		Summary: "List YARA files", Section: "48 yara",
	},
	{
		Name: "yara.add", Method: "POST", Path: "/yara/add",
		Summary: "Upload a YARA file", Section: "49 yara", Body: "multipart", Mutates: true, Makes: []string{"file"},
		Params: []backends.Param{
			{Name: "file", In: "file", Type: "file", Required: true},
			{Name: "platform", In: "body", Type: "string", Required: true, Help: "3.5.1+: csv of windows,linux,darwin"},
		},
	},
	{
		Name: "yara.view", Method: "POST", Path: "/yara/view",
		Summary: "View a YARA file", Section: "50 yara", Body: "json",
		Params: []backends.Param{
			{Name: "file_name", In: "body", Type: "string", Required: true},
		},
	},
	{
		Name: "yara.delete", Method: "POST", Path: "/yara/delete",
		Summary: "Delete a YARA file", Section: "51 yara", Body: "json", Mutates: true,
		Danger: "permanently deletes the file",
		Params: []backends.Param{
			{Name: "file_name", In: "body", Type: "string", Required: true},
			{Name: "platform", In: "body", Type: "string", Enum: []string{"windows", "linux", "darwin"}, Help: "3.5.1+: exactly one; found out where the file is for one only"},
		},
	},
	{
		Name: "iocs.list", Method: "GET", Path: "/iocs",
		Summary: "List IOCs", Section: "52 iocs",
	},
	{
		Name: "iocs.add", Method: "POST", Path: "/iocs/add",
		Summary: "Add or remove IOCs", Section: "53 iocs", Body: "json", Mutates: true, Makes: []string{"name", "data"},
		Danger: "what is removed or replaced is permanently lost", DangerWith: []string{"remove", "replace"},
		Params: []backends.Param{
			{Name: "data", In: "body", Type: "object", Help: "entries to add: name -> {type, severity, values}; values join those of an entry of the name"},
			{Name: "name", In: "local", Type: "string", Help: "one entry to add, or to add to; together with data"},
			{Name: "type", In: "local", Type: "string", Help: "of the entry: remote_address, domain_name, md5, sha256 or another column"},
			{Name: "severity", In: "local", Type: "string", Enum: []string{"INFO", "LOW", "WARNING", "MEDIUM", "HIGH", "CRITICAL"}, Help: "of the entry; WARNING by default"},
			{Name: "values", In: "local", Type: "string", Help: "of the entry, separated by commas; with remove: only these"},
			{Name: "remove", In: "local", Type: "string", Help: "name of an entry to remove"},
			{Name: "replace", In: "local", Type: "bool", Help: "true: send data as it is; everything else is lost"},
		},
	},
	{
		Name: "schema.list", Method: "GET", Path: "/schema",
		Summary: "Schema of all tables", Section: "57 schema",
		Params: []backends.Param{
			{Name: "export_type", In: "query", Type: "string", Enum: []string{"sql", "json"}, Default: "sql"},
		},
	},
	{
		Name: "schema.get", Method: "GET", Path: "/schema/{table}",
		Summary: "Schema of one table", Section: "58 schema",
		Params: []backends.Param{
			{Name: "table", In: "path", Type: "string", Required: true},
		},
	},
}
