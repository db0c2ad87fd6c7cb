package esp

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/client/flex"
	"github.com/edrctl/edrctl/internal/model"
)

// sourceIOC is the source of alerts that the server's own indicators raised.
const sourceIOC = "ioc"

// indicatorBook knows which entry of the server's indicators has a value.
type indicatorBook struct {
	mu     sync.Mutex
	read   bool
	byText map[string]string // column, 0, value -> name of the entry
}

// compared are the columns that the server compares with its indicators, and
// no others (docs/wire/esp.md 89).
func compared(c *cells) [5]model.Indicator {
	return [5]model.Indicator{
		{Name: "md5", Value: c.md5, Type: "md5"}, {Name: "sha256", Value: c.sha256, Type: "sha256"}, {Name: "domain_name", Value: domain(c.domainName), Type: "domain"},
		{Name: "remote_address", Value: c.remoteAddress, Type: "ip"}, {Name: "sha1", Value: c.sha1, Type: "sha1"},
	}
}

// nameIndicator titles an alert by the indicator that raised it and names the
// entry it belongs to. An entry that is gone leaves the value alone.
func (d *Driver) nameIndicator(ctx context.Context, a *model.Alert, c *cells) {
	var first *model.Indicator
	for _, i := range compared(c) {
		if i.Value == "" {
			continue
		}
		if entry := d.indicatorEntry(ctx, i.Name, i.Value); entry != "" {
			a.Title = "Indicator match: " + i.Value + " (" + entry + ")"
			a.Description = "entry " + entry + " of the server's indicators: " + i.Name + " " + i.Value
			return
		}
		if first == nil {
			first = &i
		}
	}
	if first != nil {
		a.Title = "Indicator match: " + first.Value
	}
}

func indicatorKey(column, value string) string {
	return column + "\x00" + strings.ToLower(domain(value))
}

// indicatorEntry reads the server's indicators (52) once. Alerts are shown
// without the name when they cannot be read.
func (d *Driver) indicatorEntry(ctx context.Context, column, value string) string {
	d.indicators.mu.Lock()
	defer d.indicators.mu.Unlock()
	if !d.indicators.read {
		d.indicators.read = true
		d.indicators.byText = map[string]string{}
		if a, err := d.ask(ctx, "cannot read the indicators", "/iocs", client.Call{}); err == nil && kindOf(a.Data) == '{' {
			_ = eachMember(a.Data, func(name string, v []byte) error {
				var w struct {
					Type   flex.String `json:"type"`
					Values flex.String `json:"values"`
				}
				if json.Unmarshal(v, &w) == nil {
					for _, text := range csvTexts(string(w.Values)) {
						d.indicators.byText[indicatorKey(string(w.Type), text)] = name
					}
				}
				return nil
			})
		}
	}
	return d.indicators.byText[indicatorKey(column, value)]
}
