package backends

// Capability is one thing a driver can do: an optional interface it
// implements, and the commands that rest on it.
type Capability struct {
	Name     string   // stable, for example "alerts.list"
	Commands []string // what a user types
	has      func(Driver) bool
}

func has[T any](d Driver) bool { _, ok := d.(T); return ok }

// Capabilities is every capability there is, in the order they are shown.
// What one driver can do is derived from it by type assertion and written
// nowhere else.
var Capabilities = []Capability{
	{"alerts.list", []string{"alerts list", "alerts count", "alerts watch"}, has[AlertLister]},
	{"alerts.get", []string{"alerts get"}, has[AlertGetter]},
	{"alerts.events", []string{"alerts get --events"}, has[AlertEventLister]},
	{"alerts.push", []string{"alerts watch (pushed)"}, has[AlertWatcher]},
	{"events.search", []string{"events list", "events count", "events watch"}, has[EventSearcher]},
	{"events.get", []string{"events get"}, has[EventGetter]},
	{"events.count", []string{"events count (on the server)"}, has[EventCounter]},
	{"events.push", []string{"events watch (pushed)"}, has[EventWatcher]},
	{"hosts.list", []string{"hosts list"}, has[HostLister]},
	{"hosts.removed", []string{"hosts list --removed"}, has[RemovedHostLister]},
	{"hosts.get", []string{"hosts get"}, has[HostGetter]},
	{"hosts.report", []string{"hosts report"}, has[Reporter]},
	{"processes.list", []string{"processes list"}, has[ProcessLister]},
	{"hash.inspect", []string{"hunt hash (verdicts)"}, has[HashInspector]},
	{"hunt.server", []string{"hunt ioc (on the server)"}, has[IndicatorHunter]},
	{"hunt.local", []string{"hunt ioc (matched here)"}, has[EventSearcher]},
	{"hunt.query", []string{"hunt query"}, has[LiveQuerier]},
	{"tree.events", []string{"alerts tree", "events tree", "processes tree"}, has[EventSearcher]}, // built from events where nothing else tells
	{"tree.expand", []string{"alerts tree (kin told by the server)"}, has[TreeExpander]},
	{"process.get", []string{"processes tree (by id)"}, has[ProcessGetter]},
	{"rules.list", []string{"rules list"}, has[RuleLister]},
	{"rules.get", []string{"rules get"}, has[RuleGetter]},
	{"carves.list", []string{"carve list"}, has[CarveLister]},
	{"session", []string{"auth login", "auth logout"}, has[SessionKeeper]},
}

// Can tells whether d has the capability.
func (c Capability) Can(d Driver) bool { return c.has(d) }

// Blank builds a driver of b with no profile behind it, to ask what it can
// do. Constructors do no I/O, so nothing is reached.
func (b Backend) Blank() (Driver, error) {
	settings := map[string]string{}
	for _, k := range b.Keys {
		if k.Required {
			settings[k.Name] = "1"
		}
	}
	o := Options{Profile: b.Name, Settings: settings}
	o.Client.BaseURL = b.DefaultURL
	if o.Client.BaseURL == "" {
		o.Client.BaseURL = "https://" + b.Name + ".invalid"
	}
	return b.New(o)
}
