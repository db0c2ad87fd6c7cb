package api

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
)

var methods = []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// callPath is `edrctl api METHOD PATH`.
func (o *options) callPath(ctx context.Context, f *cmdutil.Factory, method, path string) error {
	method = strings.ToUpper(method)
	if !slices.Contains(methods, method) {
		u := &cmdutil.UsageError{
			Err:  fmt.Errorf("unknown HTTP method %q: want one of %s", method, strings.Join(methods, " ")),
			Hint: "an operation's parameters are flags: edrctl api OPERATION --name value",
		}
		return u
	}
	fleet, err := f.Fleet(ctx)
	if err != nil {
		return err
	}
	if len(fleet.Sources) != 1 {
		return &cmdutil.UsageError{Err: fmt.Errorf("a path is called on one profile, and %d are selected", len(fleet.Sources)), Hint: "choose one with -p"}
	}
	s := fleet.Sources[0]
	server, err := f.ServerURL(s.Profile)
	if err != nil {
		return err
	}
	b, err := backends.Lookup(s.Backend)
	if err != nil {
		return err
	}
	if server == "" {
		server = b.DefaultURL
	}
	c, err := pathCall(b, server, method, path)
	if err != nil {
		return err
	}
	for _, h := range o.headers {
		name, value, err := header(h)
		if err != nil {
			return err
		}
		if p, ok := c.Op.Param(name); !ok || p.In != "header" {
			c.Op.Params = append(slices.Clone(c.Op.Params), backends.Param{Name: name, In: "header", Type: "string"})
		}
		c.Args[name] = value
	}
	return o.call(ctx, f, s, c, true)
}

// pathCall is the call of a method and a path or URL. When the catalogue has
// the operation it is that operation, with its guards.
func pathCall(b backends.Backend, server, method, path string) (backends.Call, error) {
	var c backends.Call
	path, err := below(server, path)
	if err != nil {
		return c, err
	}
	path, _, _ = strings.Cut(path, "#")
	path, query, _ := strings.Cut(path, "?")
	for part := range strings.SplitSeq(path, "/") {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return c, cmdutil.Usagef("the path has a wrong escape: %q", part)
		}
		if plain == "." || plain == ".." || strings.ContainsFunc(plain, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' }) {
			return c, cmdutil.Usagef("the path must not hold %q", plain)
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return c, cmdutil.Usagef("the query of the path cannot be read: %w", err)
	}
	catalog := []backends.Operation{}
	if b.Catalog != nil {
		catalog = b.Catalog()
	}
	op, args, found := backends.MatchOperation(catalog, method, path)
	if !found {
		op, args, found = backends.MatchOperation(catalog, method, commonPrefix(catalog)+path)
	}
	if !found {
		op, args = backends.Adhoc(method, escaped(path)), map[string]any{}
	}
	c = backends.Call{Op: op, Args: args, Query: url.Values{}}
	if c.Args == nil {
		c.Args = map[string]any{}
	}
	for name, list := range values {
		if p, ok := op.Param(name); ok && p.In == "query" && len(list) == 1 {
			c.Args[name] = list[0]
			continue
		}
		c.Query[name] = list
	}
	if len(c.Query) == 0 {
		c.Query = nil
	}
	return c, nil
}

// escaped is a path without what would be taken for a parameter of a template.
func escaped(path string) string {
	return strings.NewReplacer("{", "%7B", "}", "%7D", " ", "%20").Replace(path)
}

// below gives the path of a URL on the profile's own server; a path stays.
func below(server, path string) (string, error) {
	if !strings.Contains(path, "://") {
		if strings.HasPrefix(path, "//") || strings.Contains(strings.SplitN(path, "/", 2)[0], ":") {
			return "", cmdutil.Usagef("invalid path %q: want /PATH", path)
		}
		return "/" + strings.TrimLeft(path, "/"), nil
	}
	u, err := url.Parse(path)
	base, berr := url.Parse(server)
	if err != nil || berr != nil || u.User != nil {
		return "", cmdutil.Usagef("the URL cannot be read")
	}
	if !strings.EqualFold(u.Scheme, base.Scheme) || !strings.EqualFold(u.Host, base.Host) {
		return "", &cmdutil.UsageError{
			Err:  fmt.Errorf("%s://%s is not the profile's server, and its key is sent nowhere else", u.Scheme, u.Host),
			Hint: "write the path alone, or choose the profile of that server with -p",
		}
	}
	rest := u.EscapedPath()
	if prefix := strings.TrimRight(base.EscapedPath(), "/"); prefix != "" {
		cut, ok := strings.CutPrefix(rest, prefix)
		if !ok || cut != "" && cut[0] != '/' {
			return "", cmdutil.Usagef("%s is not below the profile's url %s", rest, server)
		}
		rest = cut
	}
	if u.RawQuery != "" {
		rest += "?" + u.RawQuery
	}
	return "/" + strings.TrimLeft(rest, "/"), nil
}

// commonPrefix is what every path of a catalogue begins with, such as
// /integrationServices/v3.
func commonPrefix(catalog []backends.Operation) string {
	if len(catalog) == 0 {
		return ""
	}
	prefix := strings.Split(catalog[0].Path, "/")
	for _, op := range catalog[1:] {
		parts := strings.Split(op.Path, "/")
		n := 0
		for n < len(prefix) && n < len(parts) && prefix[n] == parts[n] {
			n++
		}
		prefix = prefix[:n]
	}
	out := strings.Join(prefix, "/")
	if strings.ContainsAny(out, "{}") {
		return ""
	}
	return strings.TrimRight(out, "/")
}

// ownHeaders are sent by edrctl itself, or would make a request another one.
var ownHeaders = []string{
	"Authorization", "Proxy-Authorization", "Cookie", "X-Auth-Token", "X-Access-Token", "X-Api-Key", "Api-Key", "Host", "Content-Length",
	"Transfer-Encoding", "Connection", "Upgrade", "X-Http-Method", "X-Http-Method-Override", "X-Method-Override",
}

func header(s string) (name, value string, err error) {
	name, value, ok := strings.Cut(s, ":")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`()<>@,;\"/[]?={}`, r) }) {
		return "", "", cmdutil.Usagef("-H %q: want NAME: VALUE", s)
	}
	if slices.Contains(ownHeaders, http.CanonicalHeaderKey(name)) {
		return "", "", cmdutil.Usagef("-H: %s is edrctl's to send: credentials are the profile's", name)
	}
	return name, value, nil
}

// call completes a call with fields and body, and carries it out. open takes
// parameters the catalogue does not know.
func (o *options) call(ctx context.Context, f *cmdutil.Factory, s *ops.Source, c backends.Call, open bool) error {
	if err := f.ParseFields(&c.Op, c.Args, o.text, o.typed, open); err != nil {
		return err
	}
	if o.input != "" {
		body, err := f.ReadBody(c.Op, o.input)
		if err != nil {
			return err
		}
		c.Body = body
		if c.Op.Body == "raw" {
			c.Type = "application/octet-stream"
		}
	}
	return cmdutil.RunCall(ctx, f, s, c, &o.CallFlags, &o.act)
}
