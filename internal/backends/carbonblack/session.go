package carbonblack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
)

// Live response (§9): a session with the sensor of one device, opened, polled
// until the sensor has checked in, kept alive while it is used and closed.

const (
	checkInTime    = 6 * time.Minute // how long a sensor may take to check in, as the vendor's client waits
	closeTime      = 5 * time.Second // for closing a session when the caller is gone already
	idleTime       = 30 * time.Second
	sessionTimeout = 15 * time.Minute // of an unused session, when the server does not say
	pollFirst      = 100 * time.Millisecond
	pollMost       = 2 * time.Second
)

// unknownYet is in a preview for what the server will choose.
const unknownYet = "…"

// session is an open session of this driver.
type session struct {
	d       *Driver
	device  int64
	id      string
	takes   []string // the commands its sensor supports; nil = not told
	foreign bool     // it was there before: somebody else's, which is not ours to close

	stop context.CancelFunc // of the keep-alive
	idle *time.Timer

	// under sessions.mu
	users int             // changes at work in it, and changes whose fate is looked up in it
	files map[string]bool // collected and not downloaded yet
	runs  map[int64]bool  // commands nobody waits for, that had not ended
	gone  bool            // closed, or ended by the server
}

// sessions are the open sessions of a driver, one a device.
type sessions struct {
	mu      sync.Mutex
	open    map[int64]*session
	opening map[int64]*sync.Mutex
}

// gate lets one caller at a time open a session with a device.
func (s *sessions) gate(device int64) *sync.Mutex {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opening == nil {
		s.opening, s.open = map[int64]*sync.Mutex{}, map[int64]*session{}
	}
	if s.opening[device] == nil {
		s.opening[device] = &sync.Mutex{}
	}
	return s.opening[device]
}

// use takes the open session of a device, nil when there is none.
func (s *sessions) use(device int64) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.open[device]
	if one == nil || one.gone {
		return nil
	}
	if one.idle != nil {
		one.idle.Stop()
	}
	one.users++
	return one
}

func sessionPath(id string) string {
	// The colon of a session id is sent as it is, as real clients do (§9.2).
	return "/cblr/session/" + strings.ReplaceAll(url.PathEscape(id), "%3A", ":")
}

// session gives an active session with a device, the one that is open already
// (reused) or a new one. release must be called on it.
// The sensor gets limit to check in.
func (d *Driver) session(ctx context.Context, what string, device int64, limit time.Duration) (s *session, reused bool, err error) {
	gate := d.live.gate(device)
	gate.Lock()
	defer gate.Unlock()
	if s := d.live.use(device); s != nil {
		return s, true, nil
	}
	var w wire.Session
	err = d.act(ctx, what, catalog.RouteLive, http.MethodPost, "/cblr/session/"+strconv.FormatInt(device, 10), wire.OpenSession{SensorID: device}, &w)
	if err != nil {
		return nil, false, err
	}
	if !validSession(string(w.ID)) {
		return nil, false, backends.Malformed(what, fmt.Sprintf("%q is not a session id", string(w.ID)))
	}
	s = &session{
		d: d, device: device, id: string(w.ID), users: 1, files: map[string]bool{}, runs: map[int64]bool{}, stop: func() {},
		// One that is at work at once was there before.
		foreign: w.Is("ACTIVE") && w.CommandIndex.N > 0,
	}
	if err := s.await(ctx, what, &w, limit); err != nil {
		s.closeOnServer()
		return nil, false, err
	}
	if len(w.SupportedCommands) > 0 {
		s.takes = w.SupportedCommands
	}
	d.live.mu.Lock()
	d.live.open[device] = s
	d.live.mu.Unlock()
	s.keepAlive(w.SessionTimeout)
	return s, false, nil
}

// await polls a session until its sensor has checked in. A 404 says that it
// never did (§9.2).
func (s *session) await(ctx context.Context, what string, w *wire.Session, limit time.Duration) error {
	if w.Is("ACTIVE") && len(w.SupportedCommands) > 0 {
		return nil
	}
	never := func(why string) error {
		return &backends.Error{
			Kind: backends.KindUnavailable, What: what,
			Why:  "the sensor did not take up the live response session: " + why,
			Hint: "nothing was done on the device; it must be online, its policy must allow live response, and --wait must be long enough for it to check in",
		}
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for delay := pollFirst; ; delay = min(delay*3/2, time.Second) {
		if err := pause(waiting, delay); err != nil {
			if ctx.Err() != nil {
				return backends.FromClient(what, fmt.Errorf("interrupted before anything was sent to the device: %w", ctx.Err()))
			}
			return never(fmt.Sprintf("it has not checked in for %s", limit.Round(100*time.Millisecond)))
		}
		var next wire.Session
		_, err := s.d.get(waiting, what, catalog.RouteLive, sessionPath(s.id), nil, &next)
		switch {
		case backends.KindOf(err) == backends.KindNotFound:
			return never("the server has given it up")
		case err != nil && waiting.Err() != nil:
			continue // pause tells which of the two it was
		case err != nil:
			return err
		}
		*w = next
		switch {
		case w.Is("ACTIVE"):
			return nil
		case w.Over():
			return never("it is " + string(w.Status))
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// keepAlive asks for the session from time to time until it is closed; one
// that the server does not know any more is not used again.
func (s *session) keepAlive(timeout wire.Int) {
	every := sessionTimeout
	if timeout.Set && timeout.N > 0 && timeout.N < int64(sessionTimeout/time.Second) {
		every = time.Duration(timeout.N) * time.Second
	}
	every = max(every/4, 250*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() {
		for pause(ctx, every) == nil {
			_, err := s.d.get(ctx, "cannot keep the session", catalog.RouteLive, sessionPath(s.id)+"/keepalive", nil, nil)
			if backends.KindOf(err) == backends.KindNotFound {
				s.forget()
				return
			}
		}
	}()
}

// forget forgets a session that the server has ended.
func (s *session) forget() {
	s.d.live.mu.Lock()
	defer s.d.live.mu.Unlock()
	s.gone = true
	if s.d.live.open[s.device] == s {
		delete(s.d.live.open, s.device)
	}
	s.stop()
}

// retain keeps the session open for one more user.
func (s *session) retain() {
	s.d.live.mu.Lock()
	s.users++
	s.d.live.mu.Unlock()
}

// release ends the use of a session. It stays open a moment for the next
// change on the device, unless the caller was interrupted.
func (s *session) release(ctx context.Context) {
	s.d.live.mu.Lock()
	s.users--
	left := s.users > 0 || len(s.files) > 0 || s.gone
	if !left && ctx.Err() == nil {
		if s.idle != nil {
			s.idle.Stop()
		}
		s.idle = time.AfterFunc(idleTime, func() { s.closeIf(func() bool { return s.users == 0 && len(s.files) == 0 }) })
		left = true
	}
	s.d.live.mu.Unlock()
	if !left {
		s.closeIf(func() bool { return s.users == 0 && len(s.files) == 0 })
	}
}

// closeIf closes the session when it is open and may says so.
func (s *session) closeIf(may func() bool) {
	s.d.live.mu.Lock()
	if s.gone || !may() {
		s.d.live.mu.Unlock()
		return
	}
	s.d.live.mu.Unlock()
	s.forget()
	s.closeOnServer()
}

// closeOnServer tells the server that the session is over, once, whatever became of
// the caller. A session that was there before is left: closing it would end
// somebody else's work.
func (s *session) closeOnServer() {
	s.stop()
	if s.foreign {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := s.d.act(ctx, "cannot close the session", catalog.RouteLive, http.MethodPut, "/cblr/session", wire.CloseSession{SessionID: s.id, Status: "CLOSE"}, nil)
	if err != nil && backends.KindOf(err) != backends.KindNotFound {
		s.d.warn(fmt.Sprintf("live response session %s could not be closed: %v; the server ends it after about %s", s.id, err, sessionTimeout))
	}
}

// closeSessions ends all sessions, but those with files that were collected
// and not downloaded, or with commands that still run: they end with their session.
func (d *Driver) closeSessions() {
	d.live.mu.Lock()
	var all []*session
	for _, s := range d.live.open {
		all = append(all, s)
	}
	d.live.mu.Unlock()
	var wg sync.WaitGroup
	for _, s := range all {
		d.live.mu.Lock()
		waiting, running := len(s.files), len(s.runs)
		d.live.mu.Unlock()
		if running > 0 {
			s.forget()
			continue
		}
		if waiting > 0 {
			s.forget()
			d.warn(fmt.Sprintf("%d collected but not downloaded: the server keeps it for about %s, in live response session %s", waiting, sessionTimeout, s.id))
			continue
		}
		wg.Go(func() { s.closeIf(func() bool { return true }) })
	}
	wg.Wait()
}

// supports reports whether the sensor takes a command; one that told nothing is tried.
func (s *session) supports(name string) bool {
	if len(s.takes) == 0 {
		return true
	}
	for _, c := range s.takes {
		if strings.EqualFold(c, name) {
			return true
		}
	}
	return false
}

// detach notes a command that continues although nobody waits for it; ended that
// it is over.
func (s *session) detach(command int64) {
	s.d.live.mu.Lock()
	defer s.d.live.mu.Unlock()
	s.runs[command] = true
}

func (s *session) ended(command int64) {
	s.d.live.mu.Lock()
	defer s.d.live.mu.Unlock()
	delete(s.runs, command)
}

// collected notes a file that waits to be downloaded; fetched that it was.
func (s *session) collected(file string) {
	s.d.live.mu.Lock()
	defer s.d.live.mu.Unlock()
	s.files[file] = true
}

func (d *Driver) fetched(sessionID, file string) {
	d.live.mu.Lock()
	var done *session
	for _, s := range d.live.open {
		if s.id == sessionID && s.files[file] {
			delete(s.files, file)
			done = s
		}
	}
	if done != nil {
		done.users++
	}
	d.live.mu.Unlock()
	if done != nil {
		done.release(context.Background())
	}
}

// errSessionEnded is a command that was refused because its session is over: it was
// not carried out.
var errSessionEnded = errors.New("the session is over")
