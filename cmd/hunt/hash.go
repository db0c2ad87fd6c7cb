package hunt

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
)

// HashReport is what all profiles together know of one hash.
type HashReport struct {
	Hash       string        `json:"hash"`
	Type       string        `json:"type"`
	Verdict    string        `json:"verdict,omitempty"` // the worst any profile gives
	Verdicts   []HashVerdict `json:"verdicts,omitempty"`
	Names      []string      `json:"names,omitempty"`
	Hosts      []string      `json:"hosts,omitempty"`
	Prevalence int           `json:"prevalence"` // hosts, over all profiles
	First      model.Time    `json:"first_seen,omitzero"`
	Last       model.Time    `json:"last_seen,omitzero"`
	Count      int           `json:"count"`
	Hits       []*model.Hit  `json:"hits"`
}

// HashVerdict is what one profile thinks of a hash.
type HashVerdict struct {
	Profile string `json:"profile"`
	Backend string `json:"backend"`
	Verdict string `json:"verdict"`
	Native  string `json:"native,omitempty"`
}

var kindHashReport = output.NewKind[HashReport]("hash report", []output.Column{
	{Name: "hash", Min: 16}, {Name: "verdict", As: output.AsState}, {Name: "prevalence", Header: "HOSTS", As: output.AsNumber},
	{Name: "names", Min: 12}, {Name: "hosts", Header: "SEEN ON", Min: 12}, {Name: "first_seen", Header: "FIRST", As: output.AsTime, Drop: 1}, {Name: "last_seen", Header: "LAST", As: output.AsTime},
}, nil)

func newHash(f *cmdutil.Factory) *cobra.Command {
	var h flags
	cmd := &cobra.Command{
		Use:   "hash HASH…",
		Short: "Hunt file hashes: verdicts, names, hosts, first and last seen",
		Example: `$ edrctl hunt hash 3395856ce81f2b7382dee72602f798b642f14140 --since 7d
$ edrctl hunt hash "$(sha256sum < sample | cut -d' ' -f1)" -o json | jq '.[].hosts'`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			list, err := parse(args, []ioc.Type{ioc.MD5, ioc.SHA1, ioc.SHA256, ioc.SHA512, ioc.Imphash})
			if err != nil {
				return err
			}
			h.common = true // who names one value means it
			hits, outcomes, err := h.hunt(ctx, f, list, nil)
			if err != nil {
				return err
			}
			fleet, err := f.Fleet(ctx)
			if err != nil {
				return err
			}
			var reports []*HashReport
			found := 0
			for _, ind := range list.All() {
				r := report(ind, hits)
				inspect(ctx, fleet, r, outcomes)
				if r.seen() {
					found++
				}
				reports = append(reports, r)
			}
			w, err := f.Printer(ctx, kindHashReport)
			if err != nil {
				return err
			}
			return h.print(ctx, f, w, outcomes, found, func(write func(any) error) error {
				for _, r := range reports {
					if err := write(r); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	h.add(cmd)
	return cmd
}

func (r *HashReport) seen() bool { return len(r.Hits) > 0 || len(r.Hosts) > 0 || len(r.Names) > 0 }

// report gathers the hits of one hash.
func report(ind ioc.Indicator, hits []*model.Hit) *HashReport {
	r := &HashReport{Hash: ind.Value, Type: ind.Type.String(), Hits: []*model.Hit{}}
	for _, h := range hits {
		if !strings.EqualFold(h.Indicator.Value, ind.Value) {
			continue
		}
		r.Hits = append(r.Hits, h)
		r.Count += h.Count
		r.span(h.First, h.Last)
		r.host(h.Host)
		switch {
		case h.File != nil:
			r.name(cmp.Or(h.File.Name, model.BaseName(h.File.Path)))
		case h.Process != nil:
			r.name(cmp.Or(h.Process.Name, model.BaseName(h.Process.Path)))
		}
		if h.Verdict != "" {
			r.verdict(HashVerdict{h.Profile, h.Backend, h.Verdict, ""})
		}
	}
	return r
}

// inspect adds what backends that look hashes up say.
func inspect(ctx context.Context, fleet *ops.Fleet, r *HashReport, outcomes []ops.Outcome) {
	st := fleet.HashInfo(ctx, r.Hash)
	for i := range st.Records() {
		for _, n := range i.Names {
			r.name(n)
		}
		for _, h := range i.Hosts {
			r.host(h)
		}
		r.span(i.First, i.Last)
		if i.Verdict != "" {
			r.verdict(HashVerdict{i.Profile, i.Backend, i.Verdict, i.Native})
		}
	}
	for n, o := range st.Outcomes() {
		switch backends.KindOf(o.Err) {
		case backends.KindUnsupported, backends.KindInvalid, backends.KindNotFound:
			continue // the hunt has said what it could not search
		}
		if o.Err != nil && outcomes[n].Err == nil {
			outcomes[n].Err = o.Err
		}
	}
	slices.Sort(r.Names)
	slices.Sort(r.Hosts)
	r.Prevalence = len(r.Hosts)
}

func (r *HashReport) name(n string) {
	if n != "" && !slices.ContainsFunc(r.Names, func(o string) bool { return strings.EqualFold(o, n) }) {
		r.Names = append(r.Names, n)
	}
}

func (r *HashReport) host(h *model.Host) {
	if h == nil {
		return
	}
	n := cmp.Or(h.Name, h.ID)
	if n != "" && !slices.ContainsFunc(r.Hosts, func(o string) bool { return strings.EqualFold(o, n) }) {
		r.Hosts = append(r.Hosts, n)
	}
}

func (r *HashReport) span(first, last model.Time) {
	if !first.IsZero() && (r.First.IsZero() || first.Before(r.First.Time)) {
		r.First = first
	}
	if last.After(r.Last.Time) {
		r.Last = last
	}
}

// verdicts, worst first.
var verdictRank = []string{"malicious", "unknown", "safe", "absent"}

func (r *HashReport) verdict(v HashVerdict) {
	// The same verdict may come with a hit and from the lookup; the vendor's
	// own word for it is kept.
	at := slices.IndexFunc(r.Verdicts, func(o HashVerdict) bool {
		return o.Profile == v.Profile && o.Verdict == v.Verdict && (o.Native == v.Native || o.Native == "" || v.Native == "")
	})
	switch {
	case at < 0:
		r.Verdicts = append(r.Verdicts, v)
	case r.Verdicts[at].Native == "":
		r.Verdicts[at] = v
	}
	for _, rank := range verdictRank {
		if slices.ContainsFunc(r.Verdicts, func(v HashVerdict) bool { return v.Verdict == rank }) {
			r.Verdict = rank
			return
		}
	}
}
