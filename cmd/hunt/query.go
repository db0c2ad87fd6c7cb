package hunt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/hunt"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

// Answer is what one host answered, or that it stayed silent.
type Answer struct {
	Profile string           `json:"profile"`
	Backend string           `json:"backend"`
	Query   string           `json:"query_id"`
	Host    *model.Host      `json:"host"`
	State   string           `json:"state"` // answered, failed, silent
	Rows    []map[string]any `json:"rows,omitempty"`
	Error   string           `json:"error,omitempty"`
}

// QueryResult is the whole of a live query: the hosts that answered and those
// that stayed silent.
type QueryResult struct {
	Query    string    `json:"query"`
	Answered []*Answer `json:"answered"`
	Silent   []*Answer `json:"silent"`
}

var kindAnswer = output.NewKind[Answer]("answer", []output.Column{
	{Name: "host.name", Header: "HOST", Min: 8}, {Name: "state", As: output.AsState}, {Name: "rows", Min: 24}, {Name: "error", Min: 8, Drop: 1}, {Name: "profile", Drop: 2},
}, nil)

// TableRow is one result row of one host, as tables and CSV show it.
type TableRow struct {
	Profile string `json:"profile"`
	Host    string `json:"host"`
	State   string `json:"state"`
	Row     string `json:"row,omitempty"` // column=value, by column
	Error   string `json:"error,omitempty"`
}

var kindTableRow = output.NewKind[TableRow]("row", []output.Column{
	{Name: "host", Min: 8}, {Name: "state", As: output.AsState}, {Name: "row", Min: 24}, {Name: "error", Min: 8, Drop: 1}, {Name: "profile", Drop: 2},
}, nil)

// tableRows is a line for each row of an answer, or one for an answer without.
func tableRows(a *Answer) []*TableRow {
	base := TableRow{Profile: a.Profile, Host: a.Host.Name, State: a.State, Error: a.Error}
	if len(a.Rows) == 0 {
		return []*TableRow{&base}
	}
	var out []*TableRow
	for _, r := range a.Rows {
		line := base
		var cells []string
		for _, k := range slices.Sorted(maps.Keys(r)) {
			cells = append(cells, fmt.Sprintf("%s=%v", k, r[k]))
		}
		line.Row = strings.Join(cells, " ")
		out = append(out, &line)
	}
	return out
}

var kindQueryResult = output.NewKind[QueryResult]("query result", []output.Column{{Name: "query", Min: 16}, {Name: "answered", Min: 16}, {Name: "silent", Min: 16}}, nil)

func newQuery(f *cmdutil.Factory) *cobra.Command {
	var q hunt.LiveQuery
	var wait string
	var yes bool
	cmd := &cobra.Command{
		Use:   "query SQL --host HOST…|--tag TAG…|--all-hosts",
		Short: "Run an osquery SQL query on hosts, live (ESP)",
		Long: `Run an osquery SQL query on the hosts themselves, live, through ESP. Answers are
written as they arrive; the summary at the end, and the JSON, list the hosts that
answered and those that did not. Exits 8 when hosts have not answered by the end
of --wait.`,
		Example: `$ edrctl hunt query 'select name, pid from processes where on_disk = 0' --tag servers
$ edrctl hunt query 'select * from listening_ports' --host build-07 -o json | jq '.answered[].rows[]'`,
		Args: cobra.ExactArgs(1),
		ValidArgsFunction: func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return completeSQL(f, typed), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			q.SQL = args[0]
			d, err := cmdutil.ParseDuration(wait)
			if err != nil {
				return cmdutil.Usagef("invalid --wait %w", err)
			}
			if len(q.Hosts)+len(q.Tags) == 0 && !q.All {
				return cmdutil.Usagef("missing hosts: want --host, --tag or --all-hosts")
			}
			if err := hunt.CheckSQL(q.SQL); err != nil {
				return &cmdutil.UsageError{Err: err}
			}
			return runQuery(cmd.Context(), f, q, d, yes)
		},
	}
	cmdutil.HostsVar(cmd.Flags(), &q.Hosts, "host", "host to ask: ref, id or name; may repeat")
	cmdutil.StringArray(cmd.Flags(), &q.Tags, "tag", "", "ask the hosts with this tag; may repeat")
	cmd.Flags().BoolVar(&q.All, "all-hosts", false, "ask every host; asks first")
	cmd.Flags().StringVar(&wait, "wait", "1m", "how long to wait for answers")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask before --all-hosts")
	return cmd
}

func runQuery(ctx context.Context, f *cmdutil.Factory, q hunt.LiveQuery, wait time.Duration, yes bool) error {
	// Tables, CSV and ndjson are written as hosts answer; the rest is one object.
	flat := f.Flags.JQ == "" && f.Flags.Template == "" && slices.Contains([]string{"", "table", "wide", "csv"}, f.Flags.Output)
	streaming := flat || f.Flags.Output == "ndjson"
	kind := kindQueryResult
	switch {
	case flat:
		kind = kindTableRow
	case streaming:
		kind = kindAnswer
	}
	w, err := f.Printer(ctx, kind)
	if err != nil {
		return err
	}
	fleet, err := f.FleetFor(ctx, q.Hosts)
	if err != nil {
		return err
	}
	runs, err := hunt.PlanLive(ctx, fleet, q)
	if err != nil {
		return err
	}
	keepSchema(f, runs)
	if q.All {
		n := 0
		for _, r := range runs {
			n += len(r.Query.Hosts)
		}
		if err := f.Confirm(ctx, yes, safetext.Text(fmt.Sprintf("run the query on %s?", map[bool]string{true: "the only host", false: fmt.Sprintf("all %d hosts", n)}[n == 1]))); err != nil {
			return err
		}
	}
	res := QueryResult{Query: q.SQL, Answered: []*Answer{}, Silent: []*Answer{}}
	bar := f.IO.StartProgress()
	outcomes := hunt.RunLive(ctx, runs, wait, func(a hunt.LiveAnswer) error {
		row := &Answer{Profile: a.Profile, Backend: a.Backend, Query: a.QueryID, Host: a.Host, State: a.State, Rows: a.Rows, Error: a.Error}
		if a.State == hunt.LiveSilent {
			res.Silent = append(res.Silent, row)
		} else {
			res.Answered = append(res.Answered, row)
			bar.Set(safetext.Text(model.Amount(len(res.Answered), "host answered", "hosts answered")))
		}
		if !streaming {
			return nil
		}
		if !flat {
			if err := w.Write(row); err != nil {
				return err
			}
			return w.Flush()
		}
		for _, line := range tableRows(row) {
			if err := w.Write(line); err != nil {
				return err
			}
		}
		return w.Flush()
	})
	bar.Done()
	if ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	serr := f.Finish(ctx, outcomes)
	if serr != nil && cmdutil.CodeOf(serr) != cmdutil.ExitPartial && len(res.Answered) == 0 {
		w.Abort()
		return serr
	}
	if streaming {
		err = w.Close()
	} else {
		err = w.One(&res)
	}
	if err != nil {
		return cmdutil.IgnoreClosed(err)
	}
	f.Note("%s, %d silent", model.Amount(len(res.Answered), "host answered", "hosts answered"), len(res.Silent))
	if len(res.Silent) > 0 {
		var names []string
		for _, s := range res.Silent {
			names = append(names, s.Host.Name)
		}
		slices.Sort(names)
		f.Note("silent: %s", strings.Join(names, ", "))
	}
	if serr != nil {
		return serr
	}
	if len(res.Silent) > 0 {
		return &cmdutil.ExitError{Code: cmdutil.ExitPending}
	}
	return nil
}
