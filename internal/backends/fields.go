package backends

import (
	"strings"

	"github.com/edrctl/edrctl/internal/model"
)

// Fields says which fields of the model a driver fills in one kind of record.
// A field that is in neither list is never filled: a rule or a filter that
// needs it can never match there. The conformance suite compares the lists
// with the records it sees.
//
// Names are the dotted JSON names of internal/model, separated by blanks: those
// of values, as an object is filled when one of its members is. A list of
// objects is named by the list alone (attack), its members not at all.
type Fields struct {
	Record    string     // alert, event, process, host
	Kind      model.Kind // of an event
	Always    string
	Sometimes string
}

// Fill is how often a driver fills a field.
type Fill string

// How often a driver fills a field.
const (
	FillAlways    Fill = "always"
	FillSometimes Fill = "sometimes"
	FillNever     Fill = "never"
)

// Fill gives how often the driver fills a field of a kind of record; kind "" is
// any kind of event, of which one is enough for FillSometimes.
func (b Backend) Fill(record string, kind model.Kind, name string) Fill {
	out, first := FillNever, true
	for _, f := range b.Fields {
		if f.Record != record || kind != "" && f.Kind != kind {
			continue
		}
		fill := f.fill(name)
		switch {
		case first:
			out = fill
		case fill != out:
			out = FillSometimes
		}
		first = false
	}
	return out
}

func (f Fields) fill(name string) Fill {
	switch {
	case listed(f.Always, name):
		return FillAlways
	case listed(f.Sometimes, name):
		return FillSometimes
	}
	return FillNever
}

func listed(list, name string) bool {
	for field := range strings.FieldsSeq(list) {
		if rest, ok := strings.CutPrefix(field, name); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

// Kinds gives the kinds of events that the driver gives, in the order of its
// table.
func (b Backend) Kinds() []model.Kind {
	var out []model.Kind
	for _, f := range b.Fields {
		if f.Record == "event" {
			out = append(out, f.Kind)
		}
	}
	return out
}
