package carbonblack

import (
	"cmp"
	"slices"

	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// eventNormaliser makes events of the model. A list has the same hosts,
// images, processes and descriptions thousands of times, so what was made of
// them is remembered; what it gives is copied from there and nobody else's. It
// is not safe for use by several goroutines.
type eventNormaliser struct {
	hosts        cache[int64, knownHost]
	images       cache[wire.Text, knownImage]
	keys         cache[string, knownKey]
	users        cache[string, model.User]
	descriptions cache[string, description]
}

// cache remembers a limited number of values; when it is full it begins again.
type cache[K comparable, V any] struct{ m map[K]*V }

const cacheMost = 2048

func (c *cache[K, V]) put(k K, v *V) *V {
	if c.m == nil || len(c.m) >= cacheMost {
		c.m = make(map[K]*V)
	}
	c.m[k] = v
	return v
}

// knownHost is what was made of a device.
type knownHost struct {
	seen   wire.EventDevice
	host   *model.Host
	device string
}

// host gives the host of an event, nil when it names none, and its device id.
func (n *eventNormaliser) host(seen *wire.EventDevice) (h *model.Host, device string) {
	k := n.hosts.m[seen.DeviceID.N]
	if k == nil || k.seen != *seen {
		k = n.hosts.put(seen.DeviceID.N, &knownHost{seen: *seen, host: eventHost(seen), device: wire.Number(seen.DeviceID)})
	}
	return k.host, k.device
}

// knownImage is what was made of an application.
type knownImage struct {
	app        wire.App
	path       string
	hash       model.Hash
	reputation *model.Reputation
}

func (k *knownImage) hasHash() bool { return k.hash != model.Hash{} }

func (n *eventNormaliser) image(a *wire.App) *knownImage {
	k := n.images.m[a.SHA256Hash]
	if k == nil || k.app != *a {
		k = n.images.put(a.SHA256Hash, &knownImage{app: *a, path: imagePath(a), reputation: imageReputation(a)})
		if h := imageHash(a); h != nil {
			k.hash = *h
		}
	}
	return k
}

// knownKey is what was made of the key of a process on a device.
type knownKey struct {
	wire.PrivatePID
	device, uid string
}

func (n *eventNormaliser) key(device, private string) *knownKey {
	k := n.keys.m[private]
	if k == nil || k.device != device {
		k = n.keys.put(private, &knownKey{PrivatePID: wire.ParsePrivatePID(private), device: device})
		if private != "" {
			k.uid = processUID(device, private, 0, model.Time{})
		}
	}
	return k
}

func (n *eventNormaliser) user(name string) *model.User {
	u, ok := n.users.m[name]
	if !ok {
		u = n.users.put(name, model.SplitUser(name))
	}
	return u
}

// description is what an event's descriptions say, without their markup.
type description struct {
	of          [2]string // the descriptions, long and short, as they came
	long, short string
	links       []wire.Link
	words       string // the server's own
	hasWords    bool
}

func (n *eventNormaliser) description(long, short string) *description {
	d := n.descriptions.m[long]
	if d == nil || d.of[1] != short {
		d = n.descriptions.put(long, describe(long, short))
	}
	return d
}

func describe(long, short string) *description {
	d := &description{of: [2]string{long, short}}
	d.long, d.links = wire.PlainText(long)
	var links []wire.Link
	d.short, links = wire.PlainText(short)
	d.links = slices.Concat(d.links, links)
	return d
}

// plain is the long description, or else the short one.
func (d *description) plain() string { return cmp.Or(d.long, d.short) }

// ownWords is what the server itself says, in lower case: nothing of it was
// chosen by whoever wrote a command line.
func (d *description) ownWords() string {
	if !d.hasWords {
		d.words, d.hasWords = wire.Unquoted(d.plain()), true
	}
	return d.words
}
