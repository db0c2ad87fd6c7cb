package esp

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// resolveRequest is 90. 3.5.1 wants a verdict with a resolution, editions
// before know none: it is sent when the user gave one.
type resolveRequest struct {
	Resolve  bool    `json:"resolve"`
	AlertIDs []int64 `json:"alert_ids"`
	Verdict  *bool   `json:"verdict,omitempty"`
	Comment  string  `json:"comment,omitempty"`
}

var triageVerbs = []verb{
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbAlertClose, Needs: []string{"alert"}, Takes: []string{"verdict", "comment"}, Inverse: backends.VerbAlertReopen, Sync: true,
			How: "resolves the alert; editions since 3.5 want a verdict",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) { return resolveOrder(c, true) },
		look: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			return d.lookAlert(ctx, c, p, model.StatusClosed)
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			return d.findAlert(ctx, c, model.StatusClosed)
		},
	},
	{
		VerbSpec: backends.VerbSpec{
			Verb: backends.VerbAlertReopen, Needs: []string{"alert"}, Inverse: backends.VerbAlertClose, Sync: true,
			How: "opens the resolved alert again (admin only); its verdict is lost",
		},
		orders: func(_ *Driver, c backends.Change) ([]order, error) { return resolveOrder(c, false) },
		look: func(ctx context.Context, d *Driver, c backends.Change, p *backends.Preview) error {
			return d.lookAlert(ctx, c, p, model.StatusOpen)
		},
		find: func(ctx context.Context, d *Driver, c backends.Change, _ time.Time) (*model.Action, error) {
			return d.findAlert(ctx, c, model.StatusOpen)
		},
	},
}

func resolveOrder(c backends.Change, resolve bool) ([]order, error) {
	id, err := strconv.ParseInt(c.AlertID, 10, 64)
	if err != nil || !isNumber(c.AlertID) {
		return nil, &backends.Error{Kind: backends.KindNotFound, What: "no alert " + c.AlertID, Why: "alert ids of ESP are numbers"}
	}
	req := resolveRequest{Resolve: resolve, AlertIDs: []int64{id}}
	if resolve {
		req.Comment = c.Comment
		switch c.Verdict {
		case model.VerdictTruePositive:
			req.Verdict = model.Ptr(true)
		case model.VerdictFalsePositive:
			req.Verdict = model.Ptr(false)
		case "", model.VerdictUnknown:
		default:
			return nil, wrong("the verdict " + strconv.Quote(string(c.Verdict)) + " is neither true_positive nor false_positive")
		}
	}
	return []order{{http.MethodPut, "/alerts", req}}, nil
}

// lookAlert reads the alert: the server would take the number of one that
// does not exist without a word.
func (d *Driver) lookAlert(ctx context.Context, c backends.Change, p *backends.Preview, want model.Status) error {
	a, err := d.Alert(ctx, c.AlertID, false)
	if err != nil {
		return err
	}
	p.Summary = "opens alert " + c.AlertID + " again: " + short(a.Title)
	if want == model.StatusClosed {
		p.Summary = "resolves alert " + c.AlertID + ": " + short(a.Title)
		if e := d.o.Settings["edition"]; (e == EditionCE3 || e == EditionCE4) && (c.Verdict == "" || c.Verdict == model.VerdictUnknown) {
			return &backends.Error{Kind: backends.KindInvalid, What: whatOf(c), Why: "this edition wants a verdict", Hint: verdictHint}
		}
	}
	if a.Status == want && !(want == model.StatusClosed && c.Verdict != "" && c.Verdict != model.VerdictUnknown && c.Verdict != a.Verdict) {
		p.Nothing = "it is " + string(want) + " already"
	}
	return nil
}

const verdictHint = "say --verdict true-positive or --verdict false-positive"

// findAlert tells whether the alert is as it was wanted: success is what the
// server answers for alerts it does not have, too.
func (d *Driver) findAlert(ctx context.Context, c backends.Change, want model.Status) (*model.Action, error) {
	a, err := d.Alert(ctx, c.AlertID, false)
	if err != nil || a.Status != want {
		return nil, err
	}
	return d.done(a.StatusNative), nil
}

// askVerdict explains the refusal of a resolution without a verdict.
func askVerdict(err error) error {
	var be *backends.Error
	if errors.As(err, &be) && be.Kind == backends.KindInvalid && strings.Contains(be.Why, "verdict") {
		be.Hint = verdictHint
	}
	return err
}
