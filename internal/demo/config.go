package demo

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// FaultsHelp tells users the SPEC of package faults in short.
const FaultsHelp = `
  fault[=value][:option,…][@scope…] separated by semicolons
  answers in place: 429 503 … 5xx expired-token html garbage empty hang
                    reset-before reset-after
  spoilt answers:   cut=50% hang=50% trailing slow=10ms latency=100ms
                    no-effect (a change is answered 200, and nothing changes)
  records:          late=1h early=2h (a clock is ahead) moving-pages
                    moving-pages=order|resolve|repeat|none busy-day=500
                    random-order
  options:          first=N after=N every=N nth=N retry-after=S body=html
                    clean bytes=N host=NAME
  scopes:           @gene (a backend) @/events (part of a path) @POST
Example: 429:retry-after=1,every=3;5xx:first=2@esp;cut=50%@/events
         late=1h:host=FIN-WS-014;early=2h@esp`

// EnvName is the environment variable a profile's secret is looked up in:
// EDRCTL_<PROFILE>_<SECRET> in capitals, with _ for - and dots.
func EnvName(profile, secret string) string {
	r := strings.NewReplacer("-", "_", ".", "_")
	return "EDRCTL_" + strings.ToUpper(r.Replace(profile)) + "_" + strings.ToUpper(r.Replace(secret))
}

// Config gives the running servers as a configuration: the profiles as YAML,
// and the secrets as comments that a shell can run. The names of the profiles
// end in -served: demo-… is always there already.
func Config(d *Demo) string {
	var b strings.Builder
	b.WriteString("# edrctl demo serve: put this into a file, run the export lines, then edrctl --config FILE -p all …\n")
	b.WriteString("profiles:\n")
	for _, i := range d.Instances {
		fmt.Fprintf(&b, "  %s: {backend: %s, url: %q", i.served(), i.Backend, i.URL)
		for _, k := range slices.Sorted(maps.Keys(i.Settings)) {
			fmt.Fprintf(&b, ", %s: %s", k, i.Settings[k])
		}
		b.WriteString("}\n")
	}
	for _, i := range d.Instances {
		for _, k := range slices.Sorted(maps.Keys(i.Secrets)) {
			fmt.Fprintf(&b, "# export %s='%s'\n", EnvName(i.served(), k), i.Secrets[k])
		}
	}
	return b.String()
}

// served is the instance's name in a configuration.
func (i *Instance) served() string { return i.Profile + "-served" }
