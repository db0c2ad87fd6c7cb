package cmdutil

import (
	"encoding/csv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/edrctl/edrctl/internal/output"
)

// StringSlice adds a flag of several values, separated by commas or repeated.
// Unlike pflag's it costs nothing until it is given: pflag writes the default of
// each such flag through a CSV writer, which was a third of a start.
func StringSlice(fs *pflag.FlagSet, p *[]string, name, usage string) {
	*p = nil
	fs.Var(&listValue{values: p, commas: true}, name, usage)
}

// StringArray adds a flag that may be repeated; each value is taken as it is.
func StringArray(fs *pflag.FlagSet, p *[]string, name, short, usage string) {
	*p = nil
	fs.VarP(&listValue{values: p}, name, short, usage)
}

// RefVar adds a flag that takes a ref, also in the form of -o id.
func RefVar(fs *pflag.FlagSet, p *string, name, usage string) {
	fs.Var((*refValue)(p), name, usage)
}

type refValue string

func (v *refValue) Set(s string) error { *v = refValue(output.FromWord(s)); return nil }
func (v *refValue) String() string     { return string(*v) }
func (v *refValue) Type() string       { return "string" }

// HostsVar adds a flag that takes hosts and may be repeated, refs also in the
// form of -o id.
func HostsVar(fs *pflag.FlagSet, p *[]string, name, usage string) {
	*p = nil
	fs.Var(&listValue{values: p, refs: true}, name, usage)
}

type listValue struct {
	values *[]string
	commas bool
	refs   bool // words of -o id are read back
}

// Set appends what was given. A value with a quote is read as CSV, as pflag does.
func (v *listValue) Set(s string) error {
	switch {
	case v.refs:
		*v.values = append(*v.values, output.FromWord(s))
	case !v.commas:
		*v.values = append(*v.values, s)
	case s == "":
	case !strings.ContainsAny(s, "\"\r\n"):
		*v.values = append(*v.values, strings.Split(s, ",")...)
	default:
		fields, err := csv.NewReader(strings.NewReader(s)).Read()
		if err != nil {
			return err
		}
		*v.values = append(*v.values, fields...)
	}
	return nil
}

// Type is pflag's word: cobra completes such a flag also when it was given before.
func (v *listValue) Type() string {
	if v.commas {
		return "stringSlice"
	}
	return "stringArray"
}

func (v *listValue) String() string {
	if v.values == nil {
		return ""
	}
	return strings.Join(*v.values, ",")
}

// Append, Replace and GetSlice make it a pflag.SliceValue.
func (v *listValue) Append(s string) error { return v.Set(s) }

func (v *listValue) Replace(values []string) error { *v.values = values; return nil }

func (v *listValue) GetSlice() []string { return *v.values }
