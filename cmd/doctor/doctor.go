// Package doctor checks every profile: reach, credentials, clock, version.
package doctor

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// Row is the result for one profile.
type Row struct {
	Profile     string       `json:"profile"`
	Backend     string       `json:"backend"`
	Status      string       `json:"status"` // ok, failed
	Product     string       `json:"product,omitempty"`
	Version     string       `json:"version,omitempty"`
	Clock       *float64     `json:"clock_offset_seconds,omitempty"` // server minus local
	Elapsed     int64        `json:"elapsed_ms"`
	Credentials []Credential `json:"credentials,omitempty"`
	Notes       []string     `json:"notes,omitempty"`
	Error       string       `json:"error,omitempty"`
	Hint        string       `json:"hint,omitempty"`
}

// Credential is the result for one secret.
type Credential struct {
	Name    string `json:"name"`
	Present bool   `json:"present"`
	OK      bool   `json:"ok"`
	Note    string `json:"note,omitempty"`
}

var kindHealth = output.NewKind[Row]("health", []output.Column{
	{Name: "profile"}, {Name: "backend", As: output.AsBackend}, {Name: "status", As: output.AsState}, {Name: "product", Min: 10, Drop: 2},
	{Name: "version", Min: 8}, {Name: "clock_offset_seconds", Header: "CLOCK", As: output.AsNumber}, {Name: "elapsed_ms", Header: "MS", As: output.AsNumber},
}, nil)

// clockSlack is an offset nobody needs to hear of.
const clockSlack = 5 * time.Second

// New builds `edrctl doctor`.
func New(f *cmdutil.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check reach, credentials, clock and version of every selected profile",
		Example: `$ edrctl doctor
$ edrctl doctor -p all -o json | jq '.[] | select(.status != "ok")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fleet, err := f.Fleet(cmd.Context())
			if err != nil {
				return err
			}
			results := fleet.Check(cmd.Context())
			if cmd.Context().Err() != nil {
				return cmd.Context().Err()
			}
			var rows []any
			var outcomes []ops.Outcome
			for _, r := range results {
				rows = append(rows, row(r))
				outcomes = append(outcomes, ops.Outcome{Profile: r.Profile, Backend: r.Backend, Err: r.Err})
			}
			if err := cmdutil.PrintRows(cmd.Context(), f, kindHealth, rows); err != nil {
				return err
			}
			for _, r := range results {
				for _, n := range r.Health.Notes {
					f.Note("%s: %s", r.Profile, n)
				}
				if clockIsOff(r.Health) {
					f.Warn("%s: its clock is %s off ours: times of events and of this machine do not compare", r.Profile, r.Health.ClockOffset.Round(time.Second))
				}
			}
			return f.Finish(cmd.Context(), outcomes)
		},
	}
}

// clockIsOff tells whether the server's clock differs so much that users need
// to know, and more than the answer's own way may explain.
func clockIsOff(h backends.Health) bool {
	off := h.ClockOffset.Abs()
	return h.HasClock && off > clockSlack && off >= h.RoundTrip/2
}

func row(r ops.CheckResult) *Row {
	out := &Row{
		Profile: r.Profile, Backend: r.Backend, Status: "ok", Product: r.Health.Product, Version: r.Health.Version,
		Elapsed: r.Elapsed.Milliseconds(), Notes: r.Health.Notes,
	}
	if r.Health.HasClock {
		s := r.Health.ClockOffset.Round(100 * time.Millisecond).Seconds()
		out.Clock = &s
	}
	for _, c := range r.Health.Credentials {
		out.Credentials = append(out.Credentials, Credential(c))
	}
	if r.Err != nil {
		out.Status, out.Error, out.Hint = "failed", r.Err.Error(), cmdutil.HintOf(r.Err)
		if backends.KindOf(r.Err) == backends.KindAuth {
			out.Status = "unauthenticated"
		}
	}
	return out
}
