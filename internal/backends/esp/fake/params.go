package fake

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/faults"
)

// strict is what the server asks for although edrctl fills it in by itself, and
// the values it knows where editions differ.
func (s *Server) strict(op string, p backends.Param) backends.Param {
	switch op + " " + p.Name {
	case "auth.password.change confirm_new_password", "iocs.add data", "rules.set name", "rules.set conditions",
		"queries.set name", "queries.set query", "queries.set interval",
		"email.set email", "email.set smtpPort", "email.set smtpAddress", "email.set emailRecipients",
		"email.test email", "email.test smtpPort", "email.test smtpAddress", "email.test emailRecipients":
		p.Required = true
	case "yara.add platform", "yara.delete platform":
		p.Required = s.opt.Edition == CE3 || s.opt.Edition == CE4
	case "rules.set severity", "rules.add severity":
		p.Enum = []string{"WARNING", "INFO", "CRITICAL"}
		if s.opt.Edition == CE4 {
			p.Enum = []string{"low", "info", "medium", "high", "critical"}
		}
	}
	return p
}

// checkArgs validates as the real parser does: missing, null, ill-typed and
// unknown enum values are 400 with a text per field; unknown names pass.
func (s *Server) checkArgs(r *request) *reply {
	var errs object
	for _, p := range r.op.Params {
		if p.In == "path" || p.In == "local" {
			continue
		}
		p = s.strict(r.op.Name, p)
		if p.In == "file" {
			if _, sent := r.files[p.Name]; !sent && p.Required {
				errs = append(errs, member{p.Name, p.Name + " Missing required parameter in an uploaded file"})
			}
			continue
		}
		v, sent := r.args[p.Name]
		if why := complaint(p, v, sent); why != "" {
			errs = append(errs, member{p.Name, p.Name + " " + why})
		}
	}
	if len(errs) == 0 {
		return nil
	}
	rep := reply{code: http.StatusBadRequest, json: object{{"errors", errs}, {"message", "Input payload validation failed"}}}
	return &rep
}

func complaint(p backends.Param, v json.RawMessage, sent bool) string {
	null := string(v) == "null"
	if !sent || null {
		switch {
		case !p.Required:
			return ""
		case null:
			return "Must not be null!"
		}
		return "Missing required parameter in the JSON body or the post body or the query string"
	}
	text := argText(v)
	switch p.Type {
	case "int":
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return "invalid literal for int() with base 10: '" + text + "'"
		}
		if (p.Name == "start" || p.Name == "limit") && p.In == "query" && strings.HasPrefix(text, "-") {
			return "Invalid " + p.Name + ": " + text + ". " + p.Name + " must be a non-negative integer"
		}
	case "bool":
		if p.Name == "status" {
			return "" // goes through truthiness
		}
		switch strings.ToLower(text) {
		case "true", "false", "1", "0":
		default:
			return "Invalid literal for boolean(): " + text
		}
	case "object":
		if len(v) == 0 || v[0] != '{' {
			return "invalid literal for dict(): '" + text + "'"
		}
	}
	if len(p.Enum) > 0 {
		if (p.Name == "snapshot" || p.Type == "string") && len(v) > 0 && v[0] != '"' {
			text = pythonText(v)
		}
		if !slices.Contains(p.Enum, text) && !(p.Name == "source" && p.In == "body" && !p.Required) {
			return "The value '" + text + "' is not a valid choice for '" + p.Name + "'."
		}
	}
	return ""
}

// pythonText is how Python prints a JSON scalar.
func pythonText(v json.RawMessage) string {
	switch s := string(v); s {
	case "true":
		return "True"
	case "false":
		return "False"
	case "null":
		return "None"
	default:
		return s
	}
}

func argText(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		return s
	}
	return string(v)
}

// str gives a text argument; null and absent are "".
func (r *request) str(name string) string {
	v, sent := r.args[name]
	if !sent || string(v) == "null" {
		return ""
	}
	return argText(v)
}

func (r *request) has(name string) bool {
	v, sent := r.args[name]
	return sent && string(v) != "null"
}

func (r *request) num(name string, def int) int {
	if n, err := strconv.Atoi(r.str(name)); err == nil {
		return n
	}
	return def
}

func (r *request) boolean(name string, def bool) bool {
	switch strings.ToLower(r.str(name)) {
	case "true", "1":
		return true
	case "false", "0":
		return false
	}
	return def
}

// list reads a JSON array of scalars, or a csv string.
func (r *request) list(name string) []string {
	v := r.args[name]
	var items []json.RawMessage
	if json.Unmarshal(v, &items) == nil {
		var out []string
		for _, i := range items {
			out = append(out, argText(i))
		}
		return out
	}
	return parts(r.str(name))
}

func parts(s string) []string {
	var out []string
	for _, p := range strings.Split(s, ",") {
		if p != "" {
			out = append(out, p)
		}
	}
	return out
}

// slice applies start and limit to n rows; both must be given when both is true.
func (r *request) slice(n, defLimit int, both bool) (from, to int) {
	start, limit := r.num("start", 0), r.num("limit", defLimit)
	if both && !(r.has("start") && r.has("limit")) {
		return 0, n
	}
	if most := r.moves.PageMost; most > 0 {
		limit = min(limit, most)
	}
	if r.moves.Moves(faults.PagesRepeat) {
		start = 0
	}
	from = min(max(start, 0), n)
	if r.moves.Moves(faults.PagesNone) {
		return from, from
	}
	return from, min(from+max(limit, 0), n)
}
