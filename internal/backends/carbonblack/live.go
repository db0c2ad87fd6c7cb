package carbonblack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/client"
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

// unknownYet stands in a preview for what the server will choose.
const unknownYet = "…"

// wireSession is a session (§9.2). Times out are seconds.
type wireSession struct {
	ID                text  `json:"id"`
	SensorID          whole `json:"sensor_id"`
	Status            text  `json:"status"`
	SupportedCommands texts `json:"supported_commands"`
	SessionTimeout    whole `json:"session_timeout"`
	CommandIndex      whole `json:"current_command_index"`
	CreateTime        whole `json:"create_time"`
}

func (w *wireSession) is(status string) bool { return strings.EqualFold(string(w.Status), status) }

// over tells whether a session will not become active any more.
func (w *wireSession) over() bool {
	return w.is("CLOSE") || w.is("CLOSED") || w.is("ERROR") || w.is("TIMEOUT")
}

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

// act sends a request that changes something, once. An answer that was lost or
// cannot be read is KindAmbiguous. into nil: the answer may be empty.
func (d *Driver) act(ctx context.Context, what string, r route, method, path string, body, into any) error {
	return d.actCall(ctx, what, r, client.Call{Method: method, Path: apiBase + path, JSON: body}, into)
}

func (d *Driver) actCall(ctx context.Context, what string, r route, call client.Call, into any) error {
	if _, _, err := d.keyFor(ctx, r); err != nil {
		return backends.FromClient(what, err)
	}
	reply, err := d.client.Do(ctx, call)
	if err != nil {
		return d.explain(ctx, what, r, false, err)
	}
	doubt := func(why string) error {
		return &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: why + ": the request may have been carried out"}
	}
	if len(bytes.TrimSpace(reply.Body)) == 0 {
		if into == nil || reply.Status == http.StatusNoContent {
			return nil
		}
		return doubt("the answer is empty")
	}
	var env envelope
	if err := decodeEnvelope(reply.Body, &env); err != nil {
		return doubt(err.Error())
	}
	if err := env.refused(); err != nil {
		return backends.FromClient(what, err)
	}
	if into == nil {
		return nil
	}
	if err := decode(reply.Body, into); err != nil {
		return doubt("the answer is not the JSON it should be: " + err.Error())
	}
	return nil
}

// sessionOpen is the body of POST /cblr/session/{deviceId}.
type sessionOpen struct {
	SensorID int64 `json:"sensor_id"`
}

// sessionClose is the body of PUT /cblr/session.
type sessionClose struct {
	SessionID string `json:"session_id"`
	Status    string `json:"status"`
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
	var w wireSession
	err = d.act(ctx, what, routeLive, http.MethodPost, "/cblr/session/"+strconv.FormatInt(device, 10), sessionOpen{device}, &w)
	if err != nil {
		return nil, false, err
	}
	if !validSession(string(w.ID)) {
		return nil, false, backends.Malformed(what, fmt.Sprintf("%q is no session id", string(w.ID)))
	}
	s = &session{
		d: d, device: device, id: string(w.ID), users: 1, files: map[string]bool{}, runs: map[int64]bool{}, stop: func() {},
		// One that is at work at once was there before.
		foreign: w.is("ACTIVE") && w.CommandIndex.n > 0,
	}
	if err := s.await(ctx, what, &w, limit); err != nil {
		s.shut()
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
func (s *session) await(ctx context.Context, what string, w *wireSession, limit time.Duration) error {
	if w.is("ACTIVE") && len(w.SupportedCommands) > 0 {
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
		var next wireSession
		_, err := s.d.get(waiting, what, routeLive, sessionPath(s.id), nil, &next)
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
		case w.is("ACTIVE"):
			return nil
		case w.over():
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
func (s *session) keepAlive(timeout whole) {
	every := sessionTimeout
	if timeout.set && timeout.n > 0 && timeout.n < int64(sessionTimeout/time.Second) {
		every = time.Duration(timeout.n) * time.Second
	}
	every = max(every/4, 250*time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go func() {
		for pause(ctx, every) == nil {
			_, err := s.d.get(ctx, "cannot keep the session", routeLive, sessionPath(s.id)+"/keepalive", nil, nil)
			if backends.KindOf(err) == backends.KindNotFound {
				s.lose()
				return
			}
		}
	}()
}

// lose forgets a session that the server has ended.
func (s *session) lose() {
	s.d.live.mu.Lock()
	defer s.d.live.mu.Unlock()
	s.gone = true
	if s.d.live.open[s.device] == s {
		delete(s.d.live.open, s.device)
	}
	s.stop()
}

// hold keeps the session open for one more user.
func (s *session) hold() {
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
	s.lose()
	s.shut()
}

// shut tells the server that the session is over, once, whatever became of
// the caller. A session that was there before is left: closing it would end
// somebody else's work.
func (s *session) shut() {
	s.stop()
	if s.foreign {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := s.d.act(ctx, "cannot close the session", routeLive, http.MethodPut, "/cblr/session", sessionClose{s.id, "CLOSE"}, nil)
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
			s.lose()
			continue
		}
		if waiting > 0 {
			s.lose()
			d.warn(fmt.Sprintf("%d collected but not downloaded: the server keeps it for about %s, in live response session %s", waiting, sessionTimeout, s.id))
			continue
		}
		wg.Go(func() { s.closeIf(func() bool { return true }) })
	}
	wg.Wait()
}

// supports tells whether the sensor takes a command; one that told nothing is tried.
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

// leave notes a command that goes on although nobody waits for it; ended that
// it is over.
func (s *session) leave(command int64) {
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

// getList reads an array, or an object that has it under a name.
func getList[T any](ctx context.Context, d *Driver, what string, path string, name string) ([]T, error) {
	if _, _, err := d.keyFor(ctx, routeLive); err != nil {
		return nil, backends.FromClient(what, err)
	}
	stream, err := d.client.Open(ctx, client.Call{Path: apiBase + path})
	if err != nil {
		return nil, d.explain(ctx, what, routeLive, false, err)
	}
	defer stream.Body.Close()
	body, err := io.ReadAll(io.LimitReader(stream.Body, 64<<20))
	if err != nil {
		return nil, backends.FromClient(what, err)
	}
	body = bytes.TrimSpace(body)
	if len(body) > 0 && body[0] == '{' {
		var doc map[string]rawValue
		if err := decode(body, &doc); err != nil {
			return nil, backends.Malformed(what, err.Error())
		}
		body = doc[name]
		if body == nil {
			body = doc["results"]
		}
	}
	if len(body) == 0 || body[0] != '[' {
		return nil, backends.Malformed(what, "the answer is not a list")
	}
	var out list[T]
	if err := decode(body, &out); err != nil {
		return nil, backends.Malformed(what, err.Error())
	}
	return out, nil
}

// errGone is a command that was refused because its session is over: it was
// not carried out.
var errGone = errors.New("the session is over")
