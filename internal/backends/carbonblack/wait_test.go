package carbonblack_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// waitCase is a live response server whose session or command never gets on.
func waitCase(session, command string, posted, closed *atomic.Int32) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method == "PUT" && strings.HasSuffix(r.URL.Path, "/cblr/session"):
			closed.Add(1)
			_, _ = w.Write([]byte(`{"id":"1:100","sensor_id":100,"status":"CLOSE"}`))
		case strings.Contains(r.URL.Path, "/command"):
			if r.Method == "POST" {
				posted.Add(1)
			}
			_, _ = fmt.Fprintf(w, `{"id":3,"session_id":"1:100","sensor_id":100,"name":"create process","status":%q}`, command)
		default:
			_, _ = fmt.Fprintf(w, `{"id":"1:100","sensor_id":100,"status":%q}`, session)
		}
	})
}

// The wait of the caller bounds every wait of the driver: for the sensor to
// check in, where nothing was done then, and for the command to end, which
// continues and is not taken for lost.
func TestWaitBoundsLiveResponse(t *testing.T) {
	c := backends.Change{Verb: backends.VerbRun, Host: &model.Host{Origin: model.Origin{ID: "100"}}, Command: []string{"hostname"}}
	t.Run("a session that stays pending", func(t *testing.T) {
		t.Parallel()
		var posted, closed atomic.Int32
		d := open(t, waitCase("PENDING", "pending", &posted, &closed), config{})
		c, began := c, time.Now()
		c.Until = began // --wait=0
		act, err := d.Apply(t.Context(), c, nil)
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it took %s", took)
		}
		if backends.KindOf(err) != backends.KindUnavailable || act.State != model.ActionFailed || posted.Load() != 0 || closed.Load() != 1 {
			t.Errorf("%+v, %v; %d commands, %d closed", act, err, posted.Load(), closed.Load())
		}
	})
	t.Run("a command that continues", func(t *testing.T) {
		t.Parallel()
		var posted, closed atomic.Int32
		d := open(t, waitCase("ACTIVE", "in progress", &posted, &closed), config{})
		c, began := c, time.Now()
		c.Until = began
		act, err := d.Apply(t.Context(), c, nil)
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("it took %s", took)
		}
		if err != nil || act.State != model.ActionRunning || act.ID != "lr.1:100.3" || posted.Load() != 1 {
			t.Errorf("%+v, %v; %d commands", act, err, posted.Load())
		}
		if err := d.Close(); err != nil || closed.Load() != 0 {
			t.Errorf("its session was closed while it runs: %v", err)
		}
	})
}
