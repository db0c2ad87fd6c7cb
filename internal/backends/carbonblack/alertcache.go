package carbonblack

import (
	"sync"
	"time"
)

const (
	cacheFor   = 2 * time.Minute
	cacheBytes = 16 << 20
)

// alertCache keeps the details of alerts for a short while: following alerts
// asks for the same ones over and over, and the vendor bans who asks more than
// about 1,000 times in 5 minutes (§3.2). An alert that got another event is
// asked for again at once.
type alertCache struct {
	mu    sync.Mutex
	kept  map[string]cachedAlert
	bytes int
}

type cachedAlert struct {
	events int
	newest string
	at     time.Time
	body   []byte
}

// get gives the kept detail of an incident, nil when it must be asked for.
func (c *alertCache) get(in *incident, now time.Time) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.kept[in.id]
	if !ok || k.events != len(in.events) || k.newest != in.newestID() || now.Sub(k.at) > cacheFor || now.Before(k.at) {
		return nil
	}
	return k.body
}

// put keeps a detail; when there is no room all others are forgotten.
func (c *alertCache) put(in *incident, now time.Time, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil || c.bytes+len(body) > cacheBytes {
		c.kept, c.bytes = map[string]cachedAlert{}, 0
	}
	if len(body) > cacheBytes/4 {
		return
	}
	c.bytes += len(body) - len(c.kept[in.id].body)
	c.kept[in.id] = cachedAlert{len(in.events), in.newestID(), now, body}
}

func (in *incident) newestID() string {
	if len(in.events) == 0 {
		return ""
	}
	return string(in.events[0].EventID)
}
