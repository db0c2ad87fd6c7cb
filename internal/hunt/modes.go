package hunt

import (
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ioc"
)

// Modes says where a driver's backend searches each indicator type: as the
// driver says, else in its events.
func Modes(d backends.Driver) map[string]backends.HuntMode {
	var own map[string]backends.HuntMode
	if h, ok := d.(backends.IndicatorHunter); ok {
		own = h.HuntModes()
	}
	_, searches := d.(backends.EventSearcher)
	out := map[string]backends.HuntMode{}
	for _, t := range ioc.Types {
		mode, known := own[t.String()]
		if !known {
			mode = usualModes[t]
		}
		if mode.Where == "" {
			mode.Where = backends.HuntLocal
		}
		if mode.Where == backends.HuntLocal && !searches {
			mode = backends.HuntMode{Where: backends.HuntNone, Why: d.Backend() + " has no events to search"}
		}
		out[t.String()] = mode
	}
	return out
}

// usualModes are of the types that no server searches.
var usualModes = map[ioc.Type]backends.HuntMode{
	ioc.SHA512:      {Where: backends.HuntLocal, Why: "hashes of images, files and modules are compared here"},
	ioc.PathPattern: {Where: backends.HuntLocal, Why: "paths of images, targets, files and modules are compared with the pattern here"},
	ioc.Registry:    {Where: backends.HuntLocal, Why: "keys and values of registry events are compared here, all below a key included"},
	ioc.Pipe:        {Where: backends.HuntLocal, Why: "names of pipes in events are compared here"},
	ioc.Pattern:     {Where: backends.HuntLocal, Why: "the pattern is evaluated here, on whole events"},
}

// ModeOf says where one indicator is searched on a driver's backend.
func ModeOf(modes map[string]backends.HuntMode, ind ioc.Indicator, rules []*ioc.Rule) backends.HuntMode {
	switch mode := modes[ind.Type.String()]; {
	case !ind.Type.Huntable():
		return backends.HuntMode{Where: backends.HuntNone, Why: "no event carries a " + ind.Type.String()}
	case ind.Rule > 0 && int(ind.Rule) <= len(rules) && rules[ind.Rule-1].Refused != "":
		return backends.HuntMode{Where: backends.HuntNone, Why: rules[ind.Rule-1].Refused}
	case mode.Where == backends.HuntNone:
		return mode
	case ind.Rule > 0:
		return backends.HuntMode{Where: backends.HuntLocal, Why: "a part of a pattern, which is evaluated here, on whole events"}
	case ind.Port != 0:
		return backends.HuntMode{Where: backends.HuntLocal, Why: "listed with a port, which is compared here"}
	default:
		return mode
	}
}
