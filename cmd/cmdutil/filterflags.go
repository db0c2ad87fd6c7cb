package cmdutil

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// ListFlags are the time, filter and limit flags of every list command:
// they mean the same on each backend.
type ListFlags struct {
	Since, Until   string
	Around, Window string
	Limit          int
	Sort           string
	Explain        bool
	Native         string

	ScoreMin, ScoreMax float64
	IncludeUnscored    bool
	Severity, Status   []string
	SeverityMin        string
	Where              []string

	// Rated says that the records have a severity and a score, as alerts do.
	Rated  bool
	alerts bool

	values map[filter.Field]*[]string
	set    func(flag string) bool
	ctx    func() context.Context
}

var fieldHelp = map[filter.Field]string{
	filter.Host:        "host: NAME, NAME.DOMAIN, DOMAIN\\NAME, id or ref",
	filter.User:        "user name (DOMAIN\\name works)",
	filter.Process:     "process name: the actor's or the target's",
	filter.Path:        "path of the process image",
	filter.CommandLine: "command line",
	filter.Hash:        "md5, sha1, sha256, sha512 or imphash of anything in the record",
	filter.IP:          "address, CIDR, range or prefix: of either end, of an answer, of a logon",
	filter.Port:        "port of either end",
	filter.Domain:      "domain asked for, answered or connected to; IDN and xn-- are one",
	filter.File:        "path or name of the file acted on",
	filter.Registry:    "registry path, value or data",
	filter.Rule:        "rule id or name",
	filter.KindOf:      "event kind, for example process_start",
	filter.Search:      "any text of the record",
	filter.ProcessUID:  "stable id of the acting or target process, as uid shows it",
}

// AddFilters adds the shared filters. except leaves out those that mean
// nothing for the command's records.
func (l *ListFlags) AddFilters(cmd *cobra.Command, except ...filter.Field) {
	l.values = map[filter.Field]*[]string{}
	l.Bind(cmd)
	for _, f := range filter.Fields {
		if slices.Contains(except, f) {
			continue
		}
		v := new([]string)
		l.values[f] = v
		if f == filter.Host {
			HostsVar(cmd.Flags(), v, string(f), fieldHelp[f])
			continue
		}
		StringArray(cmd.Flags(), v, string(f), "", fieldHelp[f])
	}
	l.addWhere(cmd)
	cmd.Flags().BoolVar(&l.Explain, "explain", false, "print on stderr what each server was asked and what is filtered here")
}

// Bind tells the flags which command they belong to; AddFilters does it too.
func (l *ListFlags) Bind(cmd *cobra.Command) {
	l.set = func(name string) bool { return cmd.Flags().Changed(name) }
	l.ctx = cmd.Context
}

// defaultSince is where a list begins; not one of archives.
const defaultSince = "24h"

// AddTime adds --since, --until, --around and --window.
func (l *ListFlags) AddTime(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.Since, "since", defaultSince, "start: a duration back from now (15m 24h 7d 2w), RFC 3339, or a date")
	cmd.Flags().StringVar(&l.Until, "until", "", "end, exclusive, written like --since (default: open, so that records stamped later than now are shown)")
	RefVar(cmd.Flags(), &l.Around, "around", "a time, or the ref of an alert or event, to look around instead of --since and --until")
	cmd.Flags().StringVar(&l.Window, "window", "5m", "how far to look before and after --around")
}

// DefaultLimit is how many records a table on a terminal shows when --limit is
// not given.
const DefaultLimit = 100

// AddLimit adds --limit and --sort.
func (l *ListFlags) AddLimit(cmd *cobra.Command) {
	cmd.Flags().IntVar(&l.Limit, "limit", 0, "most records to show; 0 is all (default 100 for a table on a terminal)")
	cmd.Flags().StringVar(&l.Sort, "sort", "", "sort by "+strings.Join(ops.SortKeys(), " ")+"; -KEY reverses the order, +KEY is ascending")
}

// AddAlertBounds adds the filters only alerts have.
func (l *ListFlags) AddAlertBounds(cmd *cobra.Command) {
	l.Rated, l.alerts = true, true
	cmd.Flags().Float64Var(&l.ScoreMin, "score-min", 0, "least score, 0-10, inclusive")
	cmd.Flags().Float64Var(&l.ScoreMax, "score-max", 10, "greatest score, 0-10, inclusive")
	cmd.Flags().BoolVar(&l.IncludeUnscored, "include-unscored", false, "show alerts without a score even with --score-min")
	StringSlice(cmd.Flags(), &l.Severity, "severity", "severities: "+strings.Join(names(model.Severities), " "))
	cmd.Flags().StringVar(&l.SeverityMin, "severity-min", "", "least severity")
	StringSlice(cmd.Flags(), &l.Status, "status", "statuses: "+strings.Join(names(model.Statuses), " "))
}

// AddNative adds --query.
func (l *ListFlags) AddNative(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.Native, "query", "", "the vendor's own query language, passed through")
}

// Request validates the flags and turns them into what is asked of every profile.
func (l *ListFlags) Request(f *Factory) (ops.Request, error) {
	now := f.Now()
	zone, err := f.Zone()
	if err != nil {
		return ops.Request{}, err
	}
	req := ops.Request{Sort: l.Sort, Now: now, DefaultSince: l.set != nil && !l.set("since") && l.Around == ""}
	if !ops.ValidSort(l.Sort) {
		return req, NoneOf("sort", l.Sort, ops.SortKeys())
	}
	if req.Filter, err = l.filter(); err != nil {
		return req, err
	}
	if err = l.where(f, &req.Filter); err != nil {
		return req, err
	}
	if l.set != nil && l.set("window") {
		if _, err := ParseDuration(l.Window); err != nil {
			return req, Usagef("invalid --window %w", err)
		}
	}
	if l.set != nil && l.set("since") && l.Since == "" {
		return req, Usagef("invalid --since \"\": want a time; --since 520w begins ten years ago")
	}
	if l.Since != "" || l.Around != "" {
		if req.Since, req.Until, err = l.window(f, &req.Filter, now, zone); err != nil {
			return req, err
		}
	}
	if l.Limit < 0 {
		return req, Usagef("invalid --limit %d: want 0, for all, or more", l.Limit)
	}
	req.Limit = l.Limit
	if l.set != nil && !l.set("limit") && f.TableOnTerminal() {
		req.Limit, req.DefaultLimit = DefaultLimit, true
	}
	req.Native, req.Raw = l.Native, f.Flags.Raw
	if l.Explain {
		req.Explain = f.Explain
	}
	return req, nil
}

// anyAge tells whether all there is is meant: without --since, of archives only.
func (l *ListFlags) anyAge(f *Factory) bool {
	return l.set != nil && !l.set("since") && f.OnlyArchives()
}

func (l *ListFlags) window(f *Factory, narrow *filter.Filter, now time.Time, zone *time.Location) (since, until time.Time, err error) {
	if l.Around != "" {
		if l.set("since") || l.set("until") {
			return since, until, Usagef("--around cannot be combined with --since or --until")
		}
		d, err := ParseDuration(l.Window)
		if err != nil {
			return since, until, Usagef("invalid --window %w", err)
		}
		at, err := ParseTime(l.Around, now, zone)
		if err != nil && strings.Contains(l.Around, "/") {
			at, err = l.aroundRef(f, narrow)
			if err != nil {
				return since, until, err
			}
		}
		if err != nil {
			return since, until, Usagef("invalid --around %w, or the ref of an alert or event", err)
		}
		return at.Add(-d), at.Add(d), nil
	}
	if l.anyAge(f) {
		since = time.Time{}
	} else if since, err = ParseTime(l.Since, now, zone); err != nil {
		return since, until, Usagef("invalid --since %w", err)
	}
	if l.Until == "" {
		if !since.Before(now) {
			return since, until, Usagef("--since %s is not before now", l.Since)
		}
		return since, until, nil
	}
	if until, err = ParseTime(l.Until, now, zone); err != nil {
		return since, until, Usagef("invalid --until %w", err)
	}
	if !since.Before(until) {
		return since, until, Usagef("--since %s is not before --until %s", l.Since, l.Until)
	}
	return since, until, nil
}

// aroundRef finds the moment of an alert or event, and narrows the list to its
// host unless --host says otherwise.
func (l *ListFlags) aroundRef(f *Factory, narrow *filter.Filter) (time.Time, error) {
	ctx := l.ctx()
	profiles, err := f.RefsProfiles([]string{l.Around})
	if err != nil {
		return time.Time{}, err
	}
	fleet, err := f.FleetOf(ctx, profiles)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { f.Debugf(fleet.Close()) }()
	if f.Flags.Profile == "" {
		f.Flags.Profile = strings.Join(profiles, ",") // the list is of the same profile
	}
	at, host, err := fleet.Moment(ctx, l.Around)
	if err != nil {
		return time.Time{}, err
	}
	where := ""
	if host != "" && !l.set(string(filter.Host)) {
		if err := narrow.Add(filter.Host, "="+host); err != nil {
			return time.Time{}, err
		}
		where = " on " + host
	}
	f.Note("around %s%s", at.UTC().Format(time.RFC3339Nano), where)
	return at, nil
}

func (l *ListFlags) filter() (filter.Filter, error) {
	var out filter.Filter
	for _, f := range filter.Fields {
		if v := l.values[f]; v != nil {
			if err := out.Add(f, *v...); err != nil {
				return out, &UsageError{Err: err}
			}
		}
	}
	if l.set == nil {
		return out, nil
	}
	for _, b := range []struct {
		flag string
		v    float64
		to   **float64
	}{{"score-min", l.ScoreMin, &out.ScoreMin}, {"score-max", l.ScoreMax, &out.ScoreMax}} {
		if !l.set(b.flag) {
			continue
		}
		if !(b.v >= 0 && b.v <= 10) {
			return out, Usagef("invalid --%s %v: want a number from 0 to 10", b.flag, b.v)
		}
		*b.to = model.Ptr(b.v)
	}
	if out.ScoreMin != nil && out.ScoreMax != nil && *out.ScoreMin > *out.ScoreMax {
		return out, Usagef("--score-min %v is above --score-max %v", *out.ScoreMin, *out.ScoreMax)
	}
	out.IncludeUnscored = l.IncludeUnscored
	for _, s := range l.Severity {
		v, err := filter.ParseSeverity(s)
		if err != nil {
			return out, Usagef("invalid --severity %q: %w", s, err)
		}
		out.Severity = append(out.Severity, v)
	}
	if l.SeverityMin != "" {
		v, err := filter.ParseSeverity(l.SeverityMin)
		if err != nil {
			return out, Usagef("invalid --severity-min %q: %w", l.SeverityMin, err)
		}
		out.SeverityMin = v
	}
	for _, s := range l.Status {
		v, err := filter.ParseStatus(s)
		if err != nil {
			return out, Usagef("invalid --status %q: %w", s, err)
		}
		out.Status = append(out.Status, v)
	}
	return out, nil
}

// Explain prints one profile's plan of a list.
func (f *Factory) Explain(profile string, p backends.Plan) {
	local := p.Residual.String()
	if local == "" {
		local = "nothing"
	}
	f.explain(profile, p, local)
}

// ExplainHunt prints one profile's plan of a hunt, whose last lines say what
// was matched here.
func (f *Factory) ExplainHunt(profile string, p backends.Plan) {
	f.explain(profile, p, p.Residual.String())
}

func (f *Factory) explain(profile string, p backends.Plan, local string) {
	for _, r := range p.Requests {
		f.Note("explain: %s: server: %s", profile, r)
	}
	if local != "" {
		f.Note("explain: %s: filtered here: %s", profile, local)
	}
	for _, n := range p.Notes {
		f.Note("explain: %s: note: %s", profile, n)
	}
}

func names[T ~string](list []T) []string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = string(v)
	}
	return out
}

// complete offers fixed values for a flag.
func complete(cmd *cobra.Command, flag string, values []string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(fmt.Sprintf("completion of --%s: %v", flag, err)) // a programming error: the flag was just added
	}
}
