package gene

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
)

// callPlan is what a VerbCall sends, in its order, found out by reading.
type callPlan struct {
	steps    []callStep
	summary  string
	warnings []string
	nothing  string
	note     string // told when all is done

	// check judges the answer of the first step: that it is of the one who was
	// meant, that what it says was kept is what was sent.
	check func(data json.RawMessage) error
}

// callStep is one request, and what is so when it failed and nothing after it
// was sent.
type callStep struct {
	req      client.Call
	does     string // "adds 2 rules"
	recovery string // the state when this step failed, and the way on
}

func onePlan(c backends.Call, does string) (*callPlan, error) {
	req, err := backends.Build(c)
	if err != nil {
		return nil, err
	}
	return &callPlan{steps: []callStep{{req: req, does: does}}, summary: does}, nil
}

// requests are the requests of a plan.
func (p *callPlan) requests() []client.Call {
	out := make([]client.Call, len(p.steps))
	for i, s := range p.steps {
		out[i] = s.req
	}
	return out
}

// summarise adds up what the steps do.
func (p *callPlan) summarise() {
	var does []string
	for _, s := range p.steps {
		does = append(does, s.does)
	}
	p.summary = strings.Join(does, ", then ")
}

// failedAt says what is so after a step of several failed.
func (p *callPlan) failedAt(i int, err error) error {
	var own *backends.Error
	e := &backends.Error{Kind: backends.KindOf(err), Err: err, Why: err.Error()}
	if asError(err, &own) {
		e.What, e.Why, e.Hint = own.What, own.Why, own.Hint
	}
	var done []string
	for _, s := range p.steps[:i] {
		done = append(done, s.does)
	}
	state := "nothing was changed before it"
	if len(done) > 0 {
		state = "done before it: " + strings.Join(done, ", ")
	}
	e.Why = fmt.Sprintf("step %d of %d (%s) failed: %s; %s, and nothing after it was sent", i+1, len(p.steps), p.steps[i].does, e.Why, state)
	if p.steps[i].recovery != "" {
		e.Hint = p.steps[i].recovery
	}
	return e
}

func asError(err error, into **backends.Error) bool { return errors.As(err, into) }

// bodyText reads the text of a parameter that is the whole body.
func bodyText(c backends.Call, param string) []byte {
	if c.Body != nil {
		return c.Body
	}
	switch v := c.Args[param].(type) {
	case nil:
		return nil
	case string:
		return []byte(v)
	case backends.File:
		return v.Content
	default:
		b, _ := json.Marshal(v) // it was decoded from JSON
		return b
	}
}

func isTrue(v any) bool { return backends.Text(v) == "true" }

func cloned(args map[string]any) map[string]any {
	out := make(map[string]any, len(args)+2)
	for k, v := range args {
		out[k] = v
	}
	return out
}
