package conformance

import (
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// faultCase is a fault and what a reading may make of it. Whatever else, a
// reading that ends without an error has given everything.
type faultCase struct {
	spec  string
	kinds []backends.ErrorKind // nil: it must succeed
	// may: it may also succeed (the fault hits a request that can be tried
	// again, or one it can do without).
	may bool
	// fresh: a new driver meets it, one that has logged in, found out and
	// remembered nothing yet.
	fresh bool
}

const (
	malformed   = backends.KindMalformed
	unavailable = backends.KindUnavailable
	partial     = backends.KindPartial
	limited     = backends.KindRateLimited
	auth        = backends.KindAuth
	forbidden   = backends.KindForbidden
)

var faultCases = []faultCase{
	// Permanent: an error of the right kind, never a short list.
	{spec: "cut=50%", kinds: []backends.ErrorKind{malformed, unavailable, partial}},
	{spec: "cut=1", kinds: []backends.ErrorKind{malformed, unavailable, partial}},
	{spec: "cut=97%", kinds: []backends.ErrorKind{malformed, unavailable, partial}},
	{spec: "cut=50%:clean", kinds: []backends.ErrorKind{malformed, partial}},
	{spec: "cut=90%:clean", kinds: []backends.ErrorKind{malformed, partial}},
	{spec: "trailing", kinds: []backends.ErrorKind{malformed, partial}},
	{spec: "garbage", kinds: []backends.ErrorKind{malformed, partial}},
	{spec: "empty", kinds: []backends.ErrorKind{malformed, partial}},
	{spec: "html", kinds: []backends.ErrorKind{malformed, partial}},
	{spec: "500", kinds: []backends.ErrorKind{unavailable, partial}},
	{spec: "503:body=html", kinds: []backends.ErrorKind{unavailable, partial}},
	{spec: "429:retry-after=0", kinds: []backends.ErrorKind{limited, partial}},
	{spec: "reset-before", kinds: []backends.ErrorKind{unavailable, partial}},
	{spec: "reset-after", kinds: []backends.ErrorKind{unavailable, partial}},
	{spec: "expired-token:every=1", kinds: []backends.ErrorKind{auth, forbidden, partial}},
	// In the middle of a listing of several requests.
	{spec: "cut=50%:after=1", kinds: []backends.ErrorKind{malformed, unavailable, partial}, may: true, fresh: true},
	{spec: "garbage:after=1", kinds: []backends.ErrorKind{malformed, partial}, may: true, fresh: true},
	{spec: "500:after=1", kinds: []backends.ErrorKind{unavailable, partial}, may: true, fresh: true},
	{spec: "cut=60%:nth=2", kinds: []backends.ErrorKind{malformed, unavailable, partial}, may: true, fresh: true},
	// JSON is JSON whatever its label says, and with a byte order mark.
	{spec: "bom"},
	{spec: "label=text/html"},
	{spec: "bom;label=text/plain", fresh: true},
	// Once: retried, and nothing twice.
	{spec: "429:retry-after=0,first=1"},
	{spec: "503:first=2"},
	{spec: "reset-before:first=1"},
	{spec: "reset-after:first=1"},
	{spec: "503:every=3"},
	{spec: "503:every=3", fresh: true},
	{spec: "reset-before:every=4", fresh: true},
	{spec: "hang=50%:nth=900"}, // never reached: the wrapper itself changes nothing
	{spec: "latency=5ms;slow=1ms:bytes=4096"},
	// Once, but an answer had begun: all of it or an error.
	{spec: "cut=50%:first=1", kinds: []backends.ErrorKind{malformed, unavailable, partial}, may: true, fresh: true},
	{spec: "expired-token", kinds: []backends.ErrorKind{auth, forbidden}, may: true},
}

// readTimeout is how long a reading may take with a server that answers nothing
// but garbage: it may retry, but not for ever.
const readTimeout = 20 * time.Second

// faultRetries is how often a reading is asked again under a fault that hits every
// Nth request of all. With concurrent requests, every try of one of
// them may hit the fault: that is a clean error, and the next reading succeeds.
const faultRetries = 2

// faults runs the reading under every fault.
func (e *env) faults(t *testing.T, h Harness, r reading, q backends.Query, all []model.Record) {
	for _, c := range faultCases {
		if h.skip(t, r.name+"/"+c.spec) {
			continue
		}
		if c.fresh {
			e.renew(t)
		}
		in := e.wire.injectFault(t, h.Backend, c.spec)
		begin := time.Now()
		got, _, err := e.list(t.Context(), r, q)
		for again := 0; again < faultRetries && err != nil && c.kinds == nil && strings.Contains(c.spec, "every="); again++ {
			e.kindIn(t, c.spec, err, unavailable, partial)
			t.Logf("%s: all tries of one request fell on the fault: asked again", c.spec)
			got, _, err = e.list(t.Context(), r, q)
		}
		e.wire.injectFault(t, h.Backend, "")
		if took := time.Since(begin); took > readTimeout {
			t.Errorf("%s: it took %v and %d requests to end", c.spec, took.Round(time.Second), in.Fired())
		} else if took > readTimeout/4 {
			t.Logf("%s: it took %v and %d requests to end", c.spec, took.Round(time.Second), in.Fired())
		}
		fired := in.Fired() > 0
		switch {
		case err != nil && c.kinds == nil:
			t.Errorf("%s: %v, want it tried again", c.spec, err)
		case err != nil:
			e.kindIn(t, c.spec, err, c.kinds...)
		case len(c.kinds) > 0 && !c.may && fired:
			t.Errorf("%s: no error but %d of %d records", c.spec, len(got), len(all))
		default:
			if d := same(all, got); d != "" {
				t.Errorf("%s: no error, and yet: %s", c.spec, d)
			}
		}
		if err != nil {
			for k, n := range keys(got) {
				if n > 1 {
					t.Errorf("%s: %s came twice before the error", c.spec, k)
				}
			}
		}
	}
	// And after all of that the driver still works.
	got, _, err := e.list(t.Context(), r, q)
	if err != nil {
		t.Errorf("after the faults: %v", err)
	} else if d := same(all, got); d != "" {
		t.Errorf("after the faults: %s", d)
	}
}
