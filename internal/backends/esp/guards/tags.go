package guards

import (
	"context"
	"encoding/json"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/reply"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// guardTagOn: a tag on, or off, a host, query or pack.
func guardTagOn(noun, param string, add bool) guard {
	return func(ctx context.Context, g *Call) error {
		tag, ref := g.text("tag"), g.text(param)
		if strings.TrimSpace(tag) == "" {
			return g.invalid("tag is missing")
		}
		carried := func(ctx context.Context) (bool, error) {
			a, err := g.server.Ask(ctx, g.What, "/"+noun+"/"+url.PathEscape(ref)+"/tags", client.Call{})
			if err != nil {
				return false, err
			}
			return slices.Contains(wire.Strings(a.Data), tag), nil
		}
		if ref == "" {
			return g.invalid("%s is missing", param)
		}
		on, err := carried(ctx)
		if err != nil {
			return err
		}
		one := strings.TrimSuffix(noun, "s")
		if noun == "queries" {
			one = "query"
		}
		g.Preview.Summary = "takes the tag " + oneLine(tag) + " off the " + one + " " + ref
		if add {
			g.Preview.Summary = "tags the " + one + " " + ref + " with " + oneLine(tag)
			if strings.Contains(tag, ",") {
				g.warn("a tag with a comma cannot be named where the server takes lists of tags")
			}
		}
		switch {
		case on && add:
			g.Preview.Nothing = "it has the tag already"
		case !on && !add:
			g.Preview.Nothing = "it has no such tag"
		}
		g.Done = func(ctx context.Context) (bool, error) {
			on, err := carried(ctx)
			return on == add, err
		}
		return nil
	}
}

func (g *Call) tagRow(ctx context.Context, tag string) (row map[string]any, err error) {
	err = g.list(ctx, "tags.list", map[string]any{"searchterm": tag}, func(v []byte) error {
		m, err := wire.Members(v)
		if err != nil {
			return reply.Malformed(g.What, err)
		}
		if backends.Text(m["value"]) == tag {
			row = m
		}
		return nil
	})
	return row, err
}

func guardTagAdd(ctx context.Context, g *Call) error {
	tag := g.text("tag")
	if strings.TrimSpace(tag) == "" {
		return g.invalid("tag is missing")
	}
	if strings.Contains(tag, ",") {
		g.warn("a tag with a comma cannot be named where the server takes lists of tags")
	}
	row, err := g.tagRow(ctx, tag)
	if err != nil {
		return err
	}
	g.Preview.Summary = "adds the tag " + oneLine(tag)
	if row != nil {
		g.Preview.Nothing = "the tag is there already"
	}
	g.Done = func(ctx context.Context) (bool, error) {
		row, err := g.tagRow(ctx, tag)
		return row != nil, err
	}
	return nil
}

func guardTagDelete(ctx context.Context, g *Call) error {
	tag := g.text("tag")
	row, err := g.tagRow(ctx, tag)
	if err != nil {
		return err
	}
	g.Preview.Summary = "deletes the tag " + oneLine(tag)
	if row == nil {
		g.Preview.Nothing = "there is no such tag" // the server calls that a success
		return nil
	}
	carriers := 0
	for _, kind := range []struct{ member, word string }{{"nodes", "hosts"}, {"packs", "packs"}, {"queries", "queries"}, {"file_paths", "file paths"}} {
		if names := namesIn(row[kind.member]); len(names) > 0 {
			carriers += len(names)
			g.warn("these %s lose it: %s", kind.word, ShortList(names))
		}
	}
	if carriers > 0 {
		g.Preview.Summary += ", which " + model.Amount(carriers, "thing carries", "things carry")
	}
	g.Done = func(ctx context.Context) (bool, error) {
		row, err := g.tagRow(ctx, tag)
		return row == nil, err
	}
	return nil
}

// yaraNow gives the names there are, with their platforms where the edition
// tells them.
func (g *Call) yaraNow(ctx context.Context) (map[string][]string, error) {
	out := map[string][]string{}
	err := g.list(ctx, "yara.list", nil, func(v []byte) error {
		var row struct {
			Name      string   `json:"name"`
			Platforms []string `json:"platforms"`
		}
		if err := json.Unmarshal(v, &row); err != nil {
			return reply.Malformed(g.What, err)
		}
		out[row.Name] = row.Platforms
		return nil
	})
	return out, err
}

var yaraPlatforms = []string{"windows", "linux", "darwin"}

func guardYaraAdd(ctx context.Context, g *Call) error {
	f, ok := g.args["file"].(backends.File)
	if !ok {
		return g.invalid("file is missing")
	}
	base := path.Base(strings.ReplaceAll(f.Name, `\`, "/"))
	name := strings.ToLower(base)
	if ext := path.Ext(name); ext != ".yara" && ext != ".yar" {
		return g.invalid("the server takes .yara and .yar files only, not %s", oneLine(base))
	}
	if !strings.Contains(string(f.Content), "rule") {
		return g.invalid("%s holds no rule", oneLine(base))
	}
	on := csvList(g.text("platform"))
	for _, p := range on {
		if !slices.Contains(yaraPlatforms, p) {
			return g.invalid("platform: %q is none of %s", p, strings.Join(yaraPlatforms, " "))
		}
	}
	if len(on) == 0 {
		return g.invalid("platform is missing: one or more of %s", strings.Join(yaraPlatforms, ","))
	}
	g.args["platform"] = strings.Join(on, ",")
	now, err := g.yaraNow(ctx)
	if err != nil {
		return err
	}
	if where, is := now[name]; is {
		e := g.invalid("a file %s is there already %s", oneLine(name), strings.TrimSpace("for "+strings.Join(where, ",")))
		e.Hint = "the server changes none: delete it first"
		return e
	}
	if name != base {
		g.warn("the server keeps it as %s", name)
	}
	f.Name = base
	g.args["file"] = f
	g.Preview.Summary = "uploads the YARA file " + oneLine(name) + " for " + g.text("platform")
	g.Done = func(ctx context.Context) (bool, error) {
		now, err := g.yaraNow(ctx)
		_, is := now[name]
		return is, err
	}
	return nil
}

func guardYaraDelete(ctx context.Context, g *Call) error {
	name := g.text("file_name")
	now, err := g.yaraNow(ctx)
	if err != nil {
		return err
	}
	where, is := now[name]
	if !is {
		return backends.NotFound("YARA file", name)
	}
	if !g.has("platform") && len(where) == 1 {
		g.args["platform"] = where[0]
	}
	p := g.text("platform")
	switch {
	case p == "" && len(where) == 0: // an edition that keeps no platforms, and asks for none
		g.args["platform"] = "windows"
	case !slices.Contains(yaraPlatforms, p):
		e := g.invalid("platform: it is one of %s, and one only", strings.Join(yaraPlatforms, " "))
		if len(where) > 0 {
			e.Hint = name + " is there for " + strings.Join(where, ", ")
		}
		return e
	case len(where) > 0 && !slices.Contains(where, p):
		return backends.NotFound("YARA file", name+" for "+p)
	}
	g.Preview.Summary = "deletes the YARA file " + oneLine(name)
	if len(where) > 0 {
		g.Preview.Summary += " for " + p
		if rest := without(where, p); len(rest) > 0 {
			g.warn("it stays for %s", strings.Join(rest, ", "))
		}
	}
	g.Done = func(ctx context.Context) (bool, error) {
		now, err := g.yaraNow(ctx)
		where, is := now[name]
		return !is || len(where) > 0 && !slices.Contains(where, p), err
	}
	return nil
}
