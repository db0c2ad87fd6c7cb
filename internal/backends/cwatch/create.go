package cwatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/cwatch/wire"
)

const (
	createFails    = "cannot create the alert"
	maxAlertBody   = 4 << 20
	maxAlertsAtOne = 1000
)

// newAlert is what identifies an alert that is to be created.
type newAlert struct {
	timestamp int64
	endpoint  string
	name      string
}

// alertBody checks what a user wants created, one alert, a list or the
// vendor's own {"alerts": [...]}, against the vendor's schema, and writes the
// request's body. Nothing is added or left out.
func (d *Driver) alertBody(b []byte) (body []byte, alerts []newAlert, err error) {
	bad := func(format string, args ...any) ([]byte, []newAlert, error) {
		e := backends.Invalid(createFails, fmt.Sprintf(format, args...))
		e.Hint = "an alert has timestamp, endpointID and alertName at least: see alerts create --help"
		return nil, nil, e
	}
	if len(b) > maxAlertBody {
		return bad("the body has more than %d MiB", maxAlertBody>>20)
	}
	v, err := decodeOne(b)
	if err != nil {
		return bad("the body is not JSON: %s", strings.ReplaceAll(err.Error(), "\n", " "))
	}
	var list []any
	switch v := v.(type) {
	case []any:
		list = v
	case map[string]any:
		list = []any{v}
		if inner, ok := v["alerts"]; ok {
			if list, ok = inner.([]any); !ok {
				return bad("alerts must be an array")
			}
			if len(v) > 1 {
				return bad("the body may hold nothing but alerts")
			}
		}
	default:
		return bad("the body is neither an alert nor a list of them")
	}
	if len(list) == 0 {
		return bad("there is no alert in the body")
	}
	if len(list) > maxAlertsAtOne {
		return bad("%d alerts are too many for one request: %d at most", len(list), maxAlertsAtOne)
	}
	for i, item := range list {
		at := ""
		if len(list) > 1 {
			at = fmt.Sprintf("alerts[%d].", i)
		}
		o, ok := item.(map[string]any)
		if !ok {
			return bad("%s must be an object", strings.TrimSuffix(at, "."))
		}
		if why := wire.Conforms(at, o, wire.AlertSchema); why != "" {
			return bad("%s", why)
		}
		for _, need := range [...]string{"timestamp", "endpointID", "alertName"} {
			if s, has := o[need]; !has || s == "" {
				return bad("%s%s is missing", at, need)
			}
		}
		n := newAlert{timestamp: integer(o["timestamp"]), endpoint: strconv.FormatInt(integer(o["endpointID"]), 10), name: o["alertName"].(string)}
		if seconds := n.timestamp < wire.SecondsBelow; n.timestamp <= 0 || seconds != (d.unit == wire.Seconds) {
			return bad("%stimestamp %d is not a time in %s, which this profile counts in", at, n.timestamp, d.unit)
		}
		if data, ok := o["data"].(map[string]any); ok && data["score"] != nil {
			if s := integer(data["score"]); s < 0 || s > 10 {
				return bad("%sdata.score %d is not from 0 to 10", at, s)
			}
		}
		if slices.Contains(alerts, n) {
			return bad("%sthe same alert is in the body twice", at)
		}
		alerts = append(alerts, n)
	}
	body, err = json.Marshal(map[string]any{"alerts": list})
	return body, alerts, err
}

// decodeOne reads one JSON value, keeping numbers as they are written.
func decodeOne(b []byte) (v any, err error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the document")
	}
	return v, nil
}

func integer(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

// previewCreate says what would be created, and whether it is there already:
// created twice the two could not be distinguished.
func (d *Driver) previewCreate(ctx context.Context, c backends.Change, pv backends.Preview) (backends.Preview, error) {
	_, wanted, err := d.alertBody(c.Body)
	if err != nil {
		return pv, err
	}
	pv.Summary = fmt.Sprintf("creates the alert %q on endpoint %s", wanted[0].name, wanted[0].endpoint)
	if len(wanted) > 1 {
		pv.Summary = fmt.Sprintf("creates %d alerts", len(wanted))
	}
	pv.Warnings = []string{"cWatch's API cannot delete an alert"}
	ids, err := d.listedOf(ctx, wanted)
	n := len(ids)
	switch {
	case err != nil:
		return pv, backends.FromClient(createFails, err)
	case n == len(wanted):
		pv.Nothing = "an alert of this time, endpoint and name is there already"
	case n > 0:
		pv.Warnings = append(pv.Warnings, fmt.Sprintf("%d of them are there already and would be there twice", n))
	}
	return pv, nil
}

// listedOf gives the ids of the wanted alerts that the listing has.
func (d *Driver) listedOf(ctx context.Context, wanted []newAlert) ([]string, error) {
	first := wanted[0].timestamp
	for _, w := range wanted {
		first = min(first, w.timestamp)
	}
	found := map[newAlert]string{}
	ask := d.alertCalls(d.unit.Time(first).Add(-time.Second), scorePush{lo: 0, hi: 10}, nil)
	err := d.elements(ctx, *ask.all, "items", func(b []byte) error {
		var w wire.Alert
		if w.Decode(b) != nil {
			return errRow("alert")
		}
		n := newAlert{endpoint: wire.Text(w.Endpoint), name: wire.Text(w.Name)}
		n.timestamp, _ = wire.Int(w.Timestamp)
		if found[n] = w.NativeID(); found[n] == "" {
			found[n] = w.MadeUpID()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, w := range wanted {
		if id, ok := found[w]; ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
