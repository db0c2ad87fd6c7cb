package hunt

import (
	"context"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/output"
)

// listed is an indicator as hunt ioc --list prints it.
type listed struct {
	Type     string             `json:"type"`
	Value    string             `json:"value"`
	Source   origin             `json:"source"`
	Group    int                `json:"group,omitempty"`
	Port     int                `json:"port,omitempty"`
	Common   bool               `json:"common"`
	Huntable bool               `json:"huntable"`
	Pattern  string             `json:"pattern,omitempty"` // the STIX pattern it is only a part of
	Where    map[string]huntsAt `json:"where,omitempty"`
}

// origin is a place in a file.
type origin struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Object string `json:"object,omitempty"`
}

// huntsAt is how a profile would search an indicator.
type huntsAt struct {
	Where string `json:"where"` // server local none
	Why   string `json:"why,omitempty"`
}

// unreadText is text that gave no indicator.
type unreadText struct {
	Unread bool   `json:"unread"`
	Text   string `json:"text"`
	Source origin `json:"source"`
	Why    string `json:"why"`
}

var (
	kindListed = output.NewKind[listed]("indicator", []output.Column{
		{Name: "type"}, {Name: "value", Min: 24}, {Name: "port", As: output.AsNumber, Drop: 1}, {Name: "group", As: output.AsNumber, Drop: 2}, {Name: "common", Drop: 3},
		{Name: "source.file", Header: "FILE", Min: 10}, {Name: "source.line", Header: "LINE", As: output.AsNumber}, {Name: "source.object", Header: "OBJECT", Drop: 4},
	}, nil)
	kindUnread = output.NewKind[unreadText]("unread text", []output.Column{
		{Name: "source.file", Header: "FILE", Min: 10}, {Name: "source.line", Header: "LINE", As: output.AsNumber}, {Name: "text", Min: 24}, {Name: "why", Min: 16},
	}, nil)
)

// printList prints every indicator, and how each selected profile would search it.
func (h *iocFlags) printList(ctx context.Context, f *cmdutil.Factory, l *ioc.List) error {
	places, err := huntPlaces(ctx, f)
	if err != nil {
		return err
	}
	w, err := f.Printer(ctx, kindListed)
	if err != nil {
		return err
	}
	known := map[placeKey]map[string]huntsAt{}
	for _, i := range l.All() {
		row := &listed{
			Type: i.Type.String(), Value: i.Value, Group: int(i.Group), Port: int(i.Port), Common: i.Common, Huntable: i.Type.Huntable(),
			Source: origin{File: l.Sources[i.Source], Line: int(i.Line), Object: i.Object},
		}
		if i.Rule > 0 {
			row.Pattern = l.Rules[i.Rule-1].Text
			row.Huntable = row.Huntable && l.Rules[i.Rule-1].Refused == ""
		}
		k := placeKey{i.Type, i.Port != 0, i.Rule}
		if known[k] == nil {
			known[k] = places.of(i, l.Rules)
		}
		row.Where = known[k]
		if err := w.Write(row); err != nil {
			return cmdutil.IgnoreClosed(err)
		}
	}
	return cmdutil.IgnoreClosed(w.Close())
}

// placeKey is what decides where an indicator is searched.
type placeKey struct {
	kind ioc.Type
	port bool
	rule int32
}

// modesOf are the hunt modes of each selected profile.
type modesOf map[string]map[string]backends.HuntMode

// huntPlaces asks the drivers of the selected profiles. None need be selected:
// without a configuration the list says nothing of profiles.
func huntPlaces(ctx context.Context, f *cmdutil.Factory) (modesOf, error) {
	if f.Flags.Profile == "" {
		if _, err := f.Selected(); err != nil {
			return nil, nil
		}
	}
	fleet, err := f.Fleet(ctx)
	if err != nil {
		return nil, err
	}
	out := modesOf{}
	for _, s := range fleet.Sources {
		if d, err := s.Driver(); err == nil {
			out[s.Profile] = hunt.Modes(d)
		} else {
			out[s.Profile] = nil
		}
	}
	return out, nil
}

func (m modesOf) of(i ioc.Indicator, rules []*ioc.Rule) map[string]huntsAt {
	out := map[string]huntsAt{}
	for profile, modes := range m {
		if modes == nil {
			out[profile] = huntsAt{Where: string(backends.HuntNone), Why: "the profile cannot be used"}
			continue
		}
		mode := hunt.ModeOf(modes, i, rules)
		out[profile] = huntsAt{Where: string(mode.Where), Why: mode.Why}
	}
	return out
}

// printUnread prints the texts that gave nothing, as they are met.
func (h *iocFlags) printUnread(ctx context.Context, f *cmdutil.Factory, names []string) error {
	w, err := f.Printer(ctx, kindUnread)
	if err != nil {
		return err
	}
	var failed error
	r, err := h.read(f, names, func(u ioc.Unread) {
		if failed == nil {
			failed = w.Write(&unreadText{Unread: true, Text: u.Text, Why: u.Why, Source: origin{File: u.Source, Line: u.Line, Object: u.Object}})
		}
	})
	if err != nil {
		w.Abort()
		return err
	}
	if failed != nil {
		return cmdutil.IgnoreClosed(failed)
	}
	if err := w.Close(); err != nil {
		return cmdutil.IgnoreClosed(err)
	}
	return r.partial()
}
