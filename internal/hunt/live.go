package hunt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// LiveQuery is a query for the hosts of the selected profiles.
type LiveQuery struct {
	SQL   string
	Hosts []string // refs, ids or names
	Tags  []string
	All   bool
}

// LivePlan is what one profile will be asked.
type LivePlan struct {
	Source *ops.Source
	Query  backends.LiveQuery
	Schema map[string][]backends.Column // of the server
	driver backends.LiveQuerier
}

// States of a host in a live query.
const (
	LiveAnswered = "answered"
	LiveFailed   = "failed" // it answered that the query does not run
	LiveSilent   = "silent"
)

// LiveAnswer is one host's answer, or its silence.
type LiveAnswer struct {
	Profile, Backend, QueryID string
	Host                      *model.Host
	State                     string
	Rows                      []map[string]any
	Error                     string
}

// PlanLive finds the hosts and checks the query against each server's
// schema, without sending anything.
func PlanLive(ctx context.Context, f *ops.Fleet, q LiveQuery) ([]LivePlan, error) {
	hosts := map[*ops.Source][]string{}
	for _, name := range q.Hosts {
		s, h, err := ops.HostFor[backends.LiveQuerier](ctx, f, name)
		if err != nil {
			return nil, err
		}
		hosts[s] = append(hosts[s], h.ID)
	}
	var plans []LivePlan
	var unable error
	for _, s := range f.Sources {
		if len(q.Hosts) > 0 && len(hosts[s]) == 0 && len(q.Tags) == 0 && !q.All {
			continue
		}
		d, err := ops.Capability[backends.LiveQuerier](s, "cannot run live queries")
		if err != nil {
			if backends.KindOf(err) == backends.KindUnsupported && len(hosts[s]) == 0 {
				unable = ops.InProfile(s, err)
				continue
			}
			return nil, ops.InProfile(s, err)
		}
		schema, err := d.Schema(ctx)
		if err != nil {
			return nil, ops.InProfile(s, err)
		}
		if err := checkTables(q.SQL, schema); err != nil {
			return nil, ops.InProfile(s, backends.Invalid("cannot run the query", err.Error()))
		}
		p := LivePlan{Source: s, driver: d, Schema: schema, Query: backends.LiveQuery{SQL: q.SQL, Hosts: hosts[s], Tags: q.Tags, All: q.All}}
		if q.All {
			one := &ops.Fleet{Sources: []*ops.Source{s}}
			st := one.Hosts(ctx, ops.Request{Query: backends.Query{Brief: true}})
			for h := range st.Records() {
				p.Query.Hosts = append(p.Query.Hosts, h.ID)
			}
			if err := st.Outcomes()[0].Err; err != nil {
				return nil, ops.InProfile(s, err)
			}
		}
		plans = append(plans, p)
	}
	if len(plans) == 0 {
		if unable != nil {
			return nil, unable
		}
		return nil, backends.NotFound("host for the query", "")
	}
	return plans, nil
}

// RunLive sends every planned query once and gives the answers as they
// come, then the hosts that stayed silent until the wait was over. answer is
// called one at a time; its error ends the wait.
func RunLive(ctx context.Context, plans []LivePlan, wait time.Duration, answer func(LiveAnswer) error) []ops.Outcome {
	outcomes := make([]ops.Outcome, len(plans))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i, p := range plans {
		outcomes[i] = ops.Outcome{Profile: p.Source.Profile, Backend: p.Source.Backend}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, wait)
			defer cancel()
			outcomes[i].Err = p.run(ctx, func(a LiveAnswer) error {
				mu.Lock()
				defer mu.Unlock()
				return answer(a)
			})
		})
	}
	wg.Wait()
	return outcomes
}

func (p LivePlan) run(ctx context.Context, answer func(LiveAnswer) error) error {
	run, err := p.driver.LiveQuery(ctx, p.Query)
	if err != nil {
		return err
	}
	heard := map[string]bool{}
	var failed error
	run.Answers(func(a *backends.LiveAnswer, err error) bool {
		if err != nil {
			failed = err
			return false
		}
		p.Source.Stamp(a.Host.GetOrigin())
		heard[a.Host.ID] = true
		out := LiveAnswer{Profile: p.Source.Profile, Backend: p.Source.Backend, QueryID: run.ID, Host: a.Host, State: LiveAnswered, Rows: a.Rows, Error: a.Error}
		if a.Status != 0 || a.Error != "" {
			out.State = LiveFailed
		}
		if failed = answer(out); failed != nil {
			return false
		}
		return len(heard) < len(run.Targets)
	})
	for _, h := range run.Targets {
		if heard[h.ID] {
			continue
		}
		p.Source.Stamp(h.GetOrigin())
		if err := answer(LiveAnswer{Profile: p.Source.Profile, Backend: p.Source.Backend, QueryID: run.ID, Host: h, State: LiveSilent}); err != nil {
			return err
		}
	}
	if errors.Is(failed, context.DeadlineExceeded) {
		return nil // the wait is over: the silent hosts say it
	}
	return failed
}

// CheckSQL refuses what cannot be a query osquery runs: it reads one
// statement that begins with select, with, pragma or explain, with closed
// strings and parentheses.
func CheckSQL(sql string) error {
	toks, err := sqlTokens(sql)
	if err != nil {
		return fmt.Errorf("this SQL cannot run: %w", err)
	}
	if len(toks) == 0 {
		return errors.New("this SQL is empty")
	}
	switch strings.ToLower(toks[0]) {
	case "select", "with", "pragma", "explain", "values":
	default:
		return fmt.Errorf("this SQL cannot run: it begins with %q, and osquery only reads: select …", toks[0])
	}
	depth := 0
	for i, t := range toks {
		switch t {
		case "(":
			depth++
		case ")":
			if depth--; depth < 0 {
				return errors.New("this SQL cannot run: a ) without its (")
			}
		case ";":
			if i < len(toks)-1 {
				return errors.New("this SQL cannot run: more than one statement")
			}
		}
	}
	if depth > 0 {
		return errors.New("this SQL cannot run: a ( that does not close")
	}
	last := strings.ToLower(strings.TrimSuffix(toks[len(toks)-1], ";"))
	if slices.Contains([]string{"select", "from", "where", "and", "or", "join", "on", "by", "group", "order", "=", ",", "like", "in", "limit"}, last) {
		return fmt.Errorf("this SQL cannot run: it ends after %q", last)
	}
	return nil
}

// sqlTokens splits SQL into words, strings and punctuation; comments go.
func sqlTokens(s string) ([]string, error) {
	var out []string
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			i++
		case strings.HasPrefix(s[i:], "--"):
			if n := strings.IndexByte(s[i:], '\n'); n >= 0 {
				i += n
			} else {
				i = len(s)
			}
		case strings.HasPrefix(s[i:], "/*"):
			n := strings.Index(s[i:], "*/")
			if n < 0 {
				return nil, errors.New("a comment does not end")
			}
			i += n + 2
		case c == '\'' || c == '"' || c == '`' || c == '[':
			end := c
			if c == '[' {
				end = ']'
			}
			j := i + 1
			for {
				n := strings.IndexByte(s[j:], end)
				if n < 0 {
					return nil, fmt.Errorf("a %c does not end", c)
				}
				j += n + 1
				if j < len(s) && s[j] == end && c != '[' {
					j++ // doubled: part of the string
					continue
				}
				break
			}
			out = append(out, s[i:j])
			i = j
		case isWord(c):
			j := i
			for j < len(s) && isWord(s[j]) {
				j++
			}
			out = append(out, s[i:j])
			i = j
		default:
			out = append(out, s[i:i+1])
			i++
		}
	}
	return out, nil
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// checkTables names tables of the query that no host has. Names defined by
// the query itself (with …) and functions in from are left alone.
func checkTables(sql string, schema map[string][]backends.Column) error {
	if len(schema) == 0 {
		return nil
	}
	toks, err := sqlTokens(sql)
	if err != nil {
		return err
	}
	own := map[string]bool{}
	for i := 0; i+2 < len(toks); i++ {
		if strings.EqualFold(toks[i+1], "as") && toks[i+2] == "(" {
			own[strings.ToLower(toks[i])] = true
		}
	}
	known := map[string]bool{}
	for t := range schema {
		known[strings.ToLower(t)] = true
	}
	for i := 0; i+1 < len(toks); i++ {
		if w := strings.ToLower(toks[i]); w != "from" && w != "join" {
			continue
		}
		t := strings.ToLower(strings.Trim(toks[i+1], "\"`[]"))
		if t == "" || !isWord(t[0]) || own[t] || known[t] || i+2 < len(toks) && (toks[i+2] == "(" || toks[i+2] == ".") {
			continue
		}
		if strings.HasPrefix(t, "sqlite_") || strings.HasPrefix(t, "pragma_") || t == "select" {
			continue
		}
		return fmt.Errorf("there is no table %q in the schema of the server", t)
	}
	return nil
}
