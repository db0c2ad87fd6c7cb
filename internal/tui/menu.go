package tui

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
)

// choice is one line of the action menu.
type choice struct {
	key, verb string
	label     string
	how       string
	off       string // why it cannot be done now
	danger    bool   // it takes something away at once
	records   []model.Record
	verdict   model.Verdict // of triage
	ask       bool          // its parameters are asked for before it is looked at
	ways      []way         // the profiles that can do it, where several saw the record; the first is taken unless another is chosen
}

// way is how one profile would do it, to the record as that profile knows it.
type way struct {
	profile, how string
	records      []model.Record
}

// go by a way.
func (c *choice) take(i int) { c.how, c.records = c.ways[i].how, c.ways[i].records }

// profile is whose record the choice is on.
func (c *choice) profile() string { return c.records[0].GetOrigin().Profile }

// turn goes by the next way, when there is another.
func (c *choice) turn(by int) {
	n := len(c.ways)
	if n < 2 || c.off != "" {
		return
	}
	at := slices.IndexFunc(c.ways, func(w way) bool { return w.profile == c.profile() })
	c.take((at + by + n) % n)
}

// kinds are the records of a selection by what can be done to them.
type kinds struct{ alerts, hosts, processes, machines, actions, carves []model.Record }

func groupByKind(records []model.Record) kinds {
	var k kinds
	for _, r := range records {
		switch r.(type) {
		case *model.Alert:
			k.alerts = append(k.alerts, r)
		case *model.Action:
			k.actions = append(k.actions, r)
			continue
		case *model.Carve:
			k.carves = append(k.carves, r)
			continue
		case *model.Host:
			k.machines = append(k.machines, r)
		}
		if h := hostOf(r); h != nil && hostName(h) != "" {
			k.hosts = append(k.hosts, r)
			if p := processOf(r); p != nil && (p.PID > 0 || p.Path != "") {
				k.processes = append(k.processes, r)
			}
		}
	}
	return k
}

// choices are what could be done to records, the impossible with its reason.
// It may build drivers, so it is made in a command. twins is a single record
// as other profiles know it: each action goes to a profile that can do it.
func choices(a Actor, records, twins []model.Record) []choice {
	k := groupByKind(records)
	if len(records) != 1 {
		twins = nil
	}
	var out []choice
	add := func(key, verb, label string, on []model.Record, none string, set ...func(*choice)) {
		c := choice{key: key, verb: verb, label: label, records: on}
		for _, f := range set {
			f(&c)
		}
		switch {
		case len(on) == 0:
			c.off = none
		case len(twins) > 0:
			c.off = c.wayOf(a, append(slices.Clone(on), twins...))
		default:
			c.how, c.off = able(a, verb, on)
		}
		out = append(out, c)
	}
	danger := func(c *choice) { c.danger = true }
	ask := func(c *choice) { c.ask = true }
	verdict := func(v model.Verdict) func(*choice) { return func(c *choice) { c.verdict = v } }
	switch {
	case len(k.actions) > 0:
		add("u", verbUndo, "undo", filterRecords(k.actions, func(r *model.Action) bool { return r.Reversible || r.Inverse != "" }), "it cannot be undone")
		add("c", verbCancel, "cancel", filterRecords(k.actions, func(r *model.Action) bool { return !r.State.Final() }), "it is over")
		add("D", verbRecord, "delete the record of it", k.actions, "", danger)
		return out
	case len(k.carves) > 0:
		add("d", verbFetch, "download", filterRecords(k.carves, func(c *model.Carve) bool { return c.State != model.CarveFailed }), "it failed", ask)
		add("v", verbCheck, "verify the saved file", k.carves, "", ask)
		add("D", verbCarveDelete, "delete from the server", k.carves, "", danger)
		return out
	}
	if len(k.alerts) > 0 {
		add("c", verbClose, "close", k.alerts, "")
		add("t", verbClose, "close as a true positive", k.alerts, "", verdict(model.VerdictTruePositive))
		add("f", verbClose, "close as a false positive", k.alerts, "", verdict(model.VerdictFalsePositive))
		add("d", verbDismiss, "dismiss", k.alerts, "")
		add("o", verbReopen, "reopen", k.alerts, "")
	}
	const noHost = "no host is named"
	add("i", verbIsolate, "isolate from the network", k.hosts, noHost, danger)
	add("r", verbRelease, "release from isolation", k.hosts, noHost)
	if len(k.processes) > 0 {
		add("k", verbKill, "kill the process", k.processes, "", danger)
	} else {
		add("k", verbKill, "kill a process by its pid", k.hosts, noHost, danger, ask)
	}
	single := func(c *choice) { c.ask = len(c.records) == 1 || len(k.processes) == 0 }
	onFiles, what := k.processes, "the file of each process"
	if len(records) == 1 || len(k.processes) == 0 {
		onFiles, what = k.hosts, "a file"
	}
	add("g", verbCarve, "get "+what, onFiles, noHost, single)
	add("D", verbDelete, "delete "+what, onFiles, noHost, danger, single)
	add("R", verbRun, "run a command", k.hosts, noHost, ask)
	add("S", verbScript, "run a script", k.hosts, noHost, ask)
	add("b", verbBlock, "block an address or program", k.hosts, noHost, ask)
	add("B", verbUnblock, "unblock an address or program", k.hosts, noHost, ask)
	add("s", verbScan, "scan for malware", k.hosts, noHost, ask)
	add("a", verbRestart, "restart the agent", k.hosts, noHost)
	add("m", verbMemdump, "collect the memory", k.hosts, noHost)
	if len(k.machines) > 0 {
		add("T", verbTag, "tag", k.machines, "", ask)
		add("U", verbUntag, "untag", k.machines, "", ask)
		add("e", verbEdit, "edit group, status, criticality", k.machines, "", ask)
		add("v", verbRemove, "remove (it stays in the database)", k.machines, "", danger)
		add("n", verbEnable, "take a removed host back", k.machines, "")
		add("X", verbForget, "delete the host and its data", k.machines, "", danger)
	}
	return out
}

func filterRecords[T model.Record](list []model.Record, ok func(T) bool) []model.Record {
	var out []model.Record
	for _, r := range list {
		if x, is := r.(T); is && ok(x) {
			out = append(out, r)
		}
	}
	return out
}

// able tells how a verb would be done on records, or why not: with several
// profiles it is enough that one can, and it says to how many it can be done.
func able(a Actor, verb string, on []model.Record) (how, off string) {
	asked := map[string]error{}
	can := 0
	for _, r := range on {
		p := r.GetOrigin().Profile
		err, known := asked[p]
		if !known && p != "" {
			var h string
			if h, err = a.Can(p, verb); err == nil {
				how = cmp.Or(how, h)
			} else {
				off = cmp.Or(off, reason(err))
			}
			asked[p] = err
		}
		if err == nil {
			can++
		}
	}
	switch {
	case can == 0:
		return "", off
	case can < len(on):
		return fmt.Sprintf("%d of %d: %s", can, len(on), how), ""
	}
	return how, ""
}

// wayOf finds the profiles that can do it, in the order they were named, and
// says why none can.
func (c *choice) wayOf(a Actor, records []model.Record) (off string) {
	var whys []string
	for _, r := range records {
		how, why := able(a, c.verb, []model.Record{r})
		switch {
		case why == "":
			c.ways = append(c.ways, way{r.GetOrigin().Profile, how, []model.Record{r}})
		case !slices.Contains(whys, why):
			whys = append(whys, why)
		}
	}
	if len(c.ways) == 0 {
		return strings.Join(whys, "; ")
	}
	c.take(0)
	return ""
}

// reason is an error as short as a menu has room for.
func reason(err error) string {
	s := err.Error()
	var p *ops.ProfileError
	if errors.As(err, &p) {
		s = p.Err.Error()
	}
	if i := strings.LastIndex(s, ": "); i >= 0 && (ops.Unable(err) || strings.HasPrefix(s, "nothing was sent")) {
		s = s[i+2:]
	}
	return s
}
