package cmdutil

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/safetext"
)

// maxUpload bounds what is read into memory to be sent.
const maxUpload = 256 << 20

// FlagName is a vendor's parameter as a flag: endpointIDs is endpoint-ids,
// host_identifier is host-identifier.
func FlagName(param string) string {
	var b strings.Builder
	runes := []rune(param)
	for i, r := range runes {
		switch {
		case r == '_' || r == '.' || r == ' ':
			r = '-'
		case unicode.IsUpper(r):
			before := i > 0 && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]))
			acronym := i > 0 && unicode.IsUpper(runes[i-1]) && i+1 < len(runes) && unicode.IsLower(runes[i+1]) && (i+2 >= len(runes) || runes[i+2] != '-')
			if acronym && i+2 == len(runes) && runes[i+1] == 's' {
				acronym = false // IDs is one word
			}
			if before || acronym {
				b.WriteByte('-')
			}
			r = unicode.ToLower(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// ParamFlags are the flags made of an operation's parameters. Operations of
// one name on several backends share them.
type ParamFlags struct {
	f     *Factory
	flags map[string]*paramFlag // by the vendor's name
	names map[string]string     // the flags' names
}

// paramFlag keeps what was given as it was; the type is the operation's, which
// is known only when the profile is.
type paramFlag struct {
	kind  string
	texts []string
}

func (p *paramFlag) String() string { return strings.Join(p.texts, ",") }
func (p *paramFlag) Type() string   { return p.kind }
func (p *paramFlag) Set(s string) error {
	p.texts = append(p.texts, s)
	return nil
}

// NewParamFlags adds a flag for each parameter to cmd. Vendor's spelling is
// taken as well as the flag's (--processPath, --process-path). A parameter
// whose name is a flag of edrctl's becomes --param-NAME; reserved tells.
func NewParamFlags(cmd *cobra.Command, f *Factory, params []backends.Param, reserved func(string) bool) *ParamFlags {
	out := &ParamFlags{f: f, flags: map[string]*paramFlag{}, names: map[string]string{}}
	fs := cmd.Flags()
	fs.SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		return pflag.NormalizedName(FlagName(name))
	})
	for _, p := range params {
		if out.flags[p.Name] != nil {
			continue
		}
		name := FlagName(p.Name)
		if reserved(name) || fs.Lookup(name) != nil {
			name = "param-" + name
		}
		v := &paramFlag{kind: p.Type}
		out.flags[p.Name], out.names[p.Name] = v, name
		fs.Var(v, name, paramHelp(p))
		if p.Type == "bool" {
			fs.Lookup(name).NoOptDefVal = "true"
		}
		if len(p.Enum) > 0 {
			values := p.Enum
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // the flag was just added
		}
	}
	return out
}

func paramHelp(p backends.Param) string {
	help := p.Help
	if help == "" && len(p.Enum) == 0 { // no flag is without a word
		help = "the vendor's " + p.Name
	}
	if len(p.Enum) > 0 {
		help = strings.TrimPrefix(help+": ", ": ") + strings.Join(p.Enum, " ")
	}
	switch {
	case p.Secret:
		help += "; - reads it from standard input, " + secretEnv(p.Name) + " from the environment"
	case p.Type == "file":
		help += "; the path of a file"
	case p.Type == "object" || p.Type == "json" || p.Type == "array":
		help += "; JSON, or @FILE"
	}
	if p.Required && p.Default == "" {
		help += " (required)"
	} else if p.Default != "" {
		help += " (" + p.Default + " unless given)"
	}
	return strings.TrimPrefix(help, "; ")
}

func secretEnv(param string) string {
	return "EDRCTL_PARAM_" + strings.ToUpper(strings.ReplaceAll(FlagName(param), "-", "_"))
}

// Args gives the arguments of the flags that were set, for one operation.
func (p *ParamFlags) Args(op backends.Operation) (map[string]any, error) {
	args := map[string]any{}
	for _, name := range sortedNames(p.flags) {
		v := p.flags[name]
		if len(v.texts) == 0 {
			continue
		}
		param, ok := op.Param(name)
		if !ok {
			return nil, Usagef("unknown flag --%s: %s has no such parameter on this backend", FlagName(name), op.Name)
		}
		a, err := p.f.argument(param, v.texts)
		if err != nil {
			return nil, err
		}
		args[name] = a
	}
	return args, nil
}

func sortedNames[T any](m map[string]T) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// argument turns what was typed into the argument of a parameter: files are
// read, lists joined, secrets made known to the redactor.
func (f *Factory) argument(p backends.Param, texts []string) (any, error) {
	flag := "--" + FlagName(p.Name)
	if p.Type == "array" && len(texts) > 1 {
		var all []any
		for _, t := range texts {
			v, err := p.Value(t)
			if err != nil {
				return nil, Usagef("invalid %s", backends.WrongValue(flag, err))
			}
			if list, ok := v.([]any); ok {
				all = append(all, list...)
			}
		}
		return all, nil
	}
	if len(texts) > 1 {
		return nil, Usagef("%s is given %d times: want one", flag, len(texts))
	}
	text := texts[0]
	switch {
	case p.Type == "file":
		name := strings.TrimPrefix(text, "@")
		content, err := f.readAll(name)
		if err != nil {
			return nil, err
		}
		base := filepath.Base(name)
		if name == "-" {
			base = "stdin"
		}
		return backends.File{Name: base, Content: content}, nil
	case (p.Type == "object" || p.Type == "json" || p.Type == "array") && strings.HasPrefix(text, "@"):
		content, err := f.readAll(text[1:])
		if err != nil {
			return nil, err
		}
		text = string(content)
	case p.Secret && text == "-":
		content, err := f.readAll("-")
		if err != nil {
			return nil, err
		}
		text = strings.TrimRight(string(content), "\r\n")
	}
	if p.Secret {
		f.redactor.Add(text)
	}
	v, err := p.Value(text)
	if err != nil {
		if p.Secret {
			err = errors.New("the value does not have the right form")
		}
		return nil, Usagef("invalid %s", backends.WrongValue(flag, err))
	}
	if p.Type == "json" {
		return text, nil // JSON text that was read would be parsed as JSON again
	}
	return v, nil
}

// readAll reads a file, or standard input for "-", that is to be sent.
func (f *Factory) readAll(name string) ([]byte, error) {
	if name == "" {
		return nil, Usagef("the name of a file is missing")
	}
	if name != "-" {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			return nil, Usagef("cannot read %s: it is a folder", name)
		}
	}
	r, err := f.ReadInput(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }() // only read from
	b, err := io.ReadAll(io.LimitReader(r, maxUpload+1))
	if err != nil {
		return nil, Usagef("cannot read %s: %w", name, err)
	}
	if len(b) > maxUpload {
		return nil, Usagef("%s has more than %d MiB", name, maxUpload>>20)
	}
	return b, nil
}

// ParseFields reads -f key=text and -F key=json of an operation into args.
// With open, keys the operation does not have become parameters of it: in the
// query of a GET, in the JSON of anything else.
func (f *Factory) ParseFields(op *backends.Operation, args map[string]any, text, typed []string, open bool) error {
	lists := map[string][]string{}
	var order []string
	read := func(flag, field string, asJSON bool) error {
		key, value, ok := strings.Cut(field, "=")
		if !ok || key == "" {
			return Usagef("%s %q: want NAME=VALUE", flag, field)
		}
		p, known := op.Param(key)
		if !known {
			for _, q := range op.Params {
				if FlagName(q.Name) == FlagName(key) {
					p, known, key = q, true, q.Name
				}
			}
		}
		switch {
		case known:
		case !open:
			return unknownParam(*op, key)
		default:
			p = backends.Param{Name: key, In: "body", Type: "string"}
			switch op.Method {
			case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodDelete:
				p.In = "query"
			}
			if asJSON {
				p.Type = "json"
			}
			op.Params = append(slices.Clone(op.Params), p)
		}
		if asJSON && !strings.HasPrefix(value, "@") && !json.Valid([]byte(value)) {
			return Usagef("%s %s: %q is not JSON; -f takes text as it is", flag, key, value)
		}
		if asJSON && p.Type == "string" {
			var s any
			if json.Unmarshal([]byte(value), &s) == nil {
				value = backends.Text(s)
			}
		}
		if lists[key] == nil {
			order = append(order, key)
		}
		lists[key] = append(lists[key], value)
		return nil
	}
	for _, field := range text {
		if err := read("-f", field, false); err != nil {
			return err
		}
	}
	for _, field := range typed {
		if err := read("-F", field, true); err != nil {
			return err
		}
	}
	for _, key := range order {
		if _, twice := args[key]; twice {
			return Usagef("%s is given twice", key)
		}
		p, _ := op.Param(key)
		v, err := f.argument(p, lists[key])
		if err != nil {
			return err
		}
		args[key] = v
	}
	return nil
}

func unknownParam(op backends.Operation, key string) error {
	var known []string
	for _, p := range op.Params {
		known = append(known, p.Name)
	}
	u := &UsageError{Err: fmt.Errorf("%s has no parameter %q", op.Name, key), Hint: "it takes no parameters"}
	if len(known) > 0 {
		u.Hint = "its parameters are " + strings.Join(known, ", ")
	}
	return u
}

// ReadBody reads the whole body of a call from a file, - being standard
// input. What a JSON operation is sent must be JSON.
func (f *Factory) ReadBody(op backends.Operation, name string) ([]byte, error) {
	b, err := f.readAll(name)
	if err != nil {
		return nil, err
	}
	if (op.Body == "json" || op.Body == "") && !json.Valid(b) {
		return nil, Usagef("%s is not JSON, which %s takes", name, labelOf(op))
	}
	return b, nil
}

func labelOf(op backends.Operation) string { return backends.Call{Op: op}.Label() }

// FillSecrets completes secret arguments that were not given: from the
// environment, or by asking on a terminal when they are required.
func (f *Factory) FillSecrets(ctx context.Context, c *backends.Call) error {
	for _, p := range c.Op.Params {
		_, given := c.Args[p.Name]
		if !p.Secret || given || c.Body != nil {
			continue
		}
		text := f.Getenv(secretEnv(p.Name))
		if text == "" && p.Required && f.IO.CanPrompt() {
			var err error
			if text, err = f.IO.Password(ctx, safetext.Sprintf("%s: ", p.Name)); err != nil {
				return err
			}
		}
		if text == "" {
			continue
		}
		f.redactor.Add(text)
		if c.Args == nil {
			c.Args = map[string]any{}
		}
		c.Args[p.Name] = text
	}
	f.redactor.Add(c.Secrets()...)
	return nil
}

// Usage gives a line of help for each parameter of an operation, required
// ones apart.
func (p *ParamFlags) Usage(op backends.Operation) (required, optional []string) {
	for _, param := range op.Params {
		flag := p.names[param.Name]
		if flag == "" {
			continue
		}
		typ := param.Type
		if typ == "string" || typ == "" {
			typ = "text"
		}
		head := fmt.Sprintf("  --%s %s", flag, typ)
		line := fmt.Sprintf("%-34s  %s", head, strings.TrimSuffix(paramHelp(param), " (required)"))
		if param.Required && param.Default == "" {
			required = append(required, strings.TrimRight(line, " "))
		} else {
			optional = append(optional, strings.TrimRight(line, " "))
		}
	}
	return required, optional
}

// OtherUsage is the help of the command's flags that are not parameters.
func (p *ParamFlags) OtherUsage(cmd *cobra.Command) string {
	rest := pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		if _, param := f.Value.(*paramFlag); !param && f.Name != "help" {
			rest.AddFlag(f)
		}
	})
	return rest.FlagUsages()
}

// GlobalNames are the names of the flags every command takes.
func GlobalNames() map[string]bool {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	(&GlobalFlags{}).Bind(fs, func(string) string { return "" })
	out := map[string]bool{}
	fs.VisitAll(func(flag *pflag.Flag) { out[flag.Name] = true })
	return out
}

// ServerURL is the url of a profile, "" when its backend has one of its own.
func (f *Factory) ServerURL(profile string) (string, error) {
	c, err := f.Config()
	if err != nil {
		return "", err
	}
	if p := c.Profiles[profile]; p != nil {
		return p.URL, nil
	}
	if f.demo != nil {
		if inst := f.demo.Instance(profile); inst != nil {
			return inst.URL, nil
		}
	}
	return "", nil
}
