package carbonblack

import (
	"context"
	"iter"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/filter"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/shellquote"
)

const (
	whatHosts  = "cannot list hosts"
	deviceRows = 1000 // neither default nor most are documented: always sent, never trusted (§8.1)
)

// foundDevice is a device and, when asked for, its JSON.
type foundDevice struct {
	wire.Device
	raw []byte
}

// devices reads the device list, each device once. Its order is the server's,
// and pages shift while devices register or report.
func (d *Driver) devices(ctx context.Context, what string, q url.Values) iter.Seq2[*foundDevice, error] {
	return func(yield func(*foundDevice, error) bool) {
		t := backends.NewTally(what)
		for t.Pass() {
			if !d.devicePass(ctx, what, q, t, yield) {
				return
			}
		}
		if err := t.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// devicePass reads all pages once and gives the devices that are new to t; it
// reports false when nothing more is wanted.
func (d *Driver) devicePass(ctx context.Context, what string, q url.Values, t *backends.Tally, yield func(*foundDevice, error) bool) bool {
	for received := 0; ; {
		var p page
		for element, err := range d.list(ctx, what, catalog.RouteDevice, "/device", q, received+1, deviceRows, &p) {
			if err != nil {
				yield(nil, err)
				return false
			}
			dev := foundDevice{raw: element}
			if err := wire.Decode(element, &dev.Device); err != nil {
				yield(nil, backends.Malformed(what, "a device is not the JSON it should be: "+err.Error()))
				return false
			}
			id := ""
			if dev.DeviceID.Set {
				id = strconv.FormatInt(dev.DeviceID.N, 10)
			}
			if t.Add(id) && !yield(&dev, nil) {
				return false
			}
		}
		t.Count(p.Total)
		received += p.received
		if p.received == 0 || p.Total > 0 && int64(received) >= p.Total {
			return true
		}
	}
}

// pushHosts finds what /device can narrow by: the device's own addresses are
// what its ipAddress looks at, and a narrowed answer is compared again.
func pushHosts(f filter.Filter) (url.Values, []string) {
	q := url.Values{}
	var notes []string
	for _, t := range f.Terms {
		switch t.Field {
		case filter.IP:
			if !q.Has("ipAddress") && deviceAddress(t) {
				p, _ := t.Any[0].Prefix()
				q.Set("ipAddress", p.Addr().String())
			}
		case filter.Host:
			notes = []string{"--host is compared after fetching: hostName of /device would miss names with a domain, and ids"}
		}
	}
	return q, notes
}

// Hosts lists devices, those included that were deregistered: the server does
// not leave them out.
func (d *Driver) Hosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	return d.deviceList(ctx, q, nil), nil
}

// RemovedHosts lists the devices whose sensor was deregistered or uninstalled.
// /device has no filter of the status.
func (d *Driver) RemovedHosts(ctx context.Context, q backends.Query) (backends.Listing[*model.Host], error) {
	l := d.deviceList(ctx, q, isRemoved)
	l.Plan.Notes = append(l.Plan.Notes, "the status is compared after fetching")
	return l, nil
}

func (d *Driver) deviceList(ctx context.Context, q backends.Query, only func(*wire.Device) bool) backends.Listing[*model.Host] {
	query, notes := pushHosts(q.Filter)
	first := cloneQuery(query)
	first.Set("start", "1")
	first.Set("rows", strconv.Itoa(deviceRows))
	l := backends.Listing[*model.Host]{Plan: backends.Plan{
		Requests: []string{d.client.Describe(client.Call{Path: catalog.Base + "/device", Query: first}) + " …"},
		Residual: q.Filter,
		Notes:    notes,
	}}
	l.Seq = func(yield func(*model.Host, error) bool) {
		for dev, err := range d.devices(ctx, whatHosts, query) {
			if err != nil {
				yield(nil, err)
				return
			}
			if only != nil && !only(&dev.Device) {
				continue
			}
			h := deviceHost(&dev.Device, model.At(d.opt.Clock()))
			if q.Raw {
				raw, err := wire.WithoutMembers(dev.raw, wire.DeviceSecrets)
				if err != nil {
					yield(nil, backends.Malformed(whatHosts, err.Error()))
					return
				}
				h.Raw = raw
			}
			if !yield(h, nil) {
				return
			}
		}
	}
	return l
}

// isRemoved reports whether the sensor of a device is registered no longer (§11.6).
func isRemoved(w *wire.Device) bool {
	switch strings.ToUpper(string(w.Status)) {
	case "DEREGISTERED", "UNINSTALLED", "DELETED":
		return true
	}
	return false
}

// Host reads one device by its id.
func (d *Driver) Host(ctx context.Context, id string, raw bool) (*model.Host, error) {
	const what = "cannot read the host"
	if !isDigits(id) {
		e := backends.NotFound("host", id)
		e.Hint = "a device id of Carbon Black is a number: edrctl hosts list " + shellquote.Flag("host", "="+id) + " finds one by name"
		return nil, e
	}
	dev, body, err := d.deviceInfo(ctx, what, id)
	if err != nil {
		return nil, err
	}
	row, err := d.deviceRow(ctx, what, dev)
	if err != nil {
		return nil, err
	}
	if row != nil {
		dev, body = &row.Device, row.raw
	}
	h := deviceHost(dev, model.At(d.opt.Clock()))
	if raw {
		clean, err := wire.WithoutMembers(body, wire.DeviceSecrets)
		if err != nil {
			return nil, backends.Malformed(what, err.Error())
		}
		h.Raw = clean
	}
	return h, nil
}

// deviceRow finds a device in the list, which has members that the device by
// itself lacks (§8.1: macAddress, loginUserName); nil when it is not listed.
// Its own address narrows the first question.
func (d *Driver) deviceRow(ctx context.Context, what string, dev *wire.Device) (*foundDevice, error) {
	questions := []url.Values{{}}
	if ip, err := netip.ParseAddr(string(dev.LastInternalIPAddress)); err == nil && ip.Is4() {
		questions = []url.Values{{"ipAddress": {ip.String()}}, {}}
	}
	for _, q := range questions {
		for row, err := range d.devices(ctx, what, q) {
			if err != nil {
				return nil, err
			}
			if wire.Number(row.DeviceID) == wire.Number(dev.DeviceID) {
				found := *row
				found.raw = slices.Clone(row.raw)
				return &found, nil
			}
		}
	}
	return nil, nil
}
