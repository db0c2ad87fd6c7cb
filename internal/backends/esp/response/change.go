package response

import (
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// What is the head of an error about a change.
func What(c backends.Change) string {
	switch noun, v, ok := strings.Cut(c.Verb, "."); {
	case ok && c.AlertID != "":
		return "cannot " + v + " alert " + c.AlertID
	case ok:
		return "cannot " + v + " " + noun
	}
	if c.Host != nil {
		return "cannot " + c.Verb + " on " + wire.FirstOf(c.Host.Name, c.Host.ID)
	}
	return "cannot " + c.Verb
}

// SetDetail sets a detail of an action, unless it is empty.
func SetDetail(act *model.Action, name, value string) {
	if value == "" {
		return
	}
	if act.Details == nil {
		act.Details = map[string]string{}
	}
	act.Details[name] = value
}
