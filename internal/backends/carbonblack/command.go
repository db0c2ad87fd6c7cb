package carbonblack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// The commands of live response this driver issues (§9.3).
const (
	cmdKill       = "kill"
	cmdProcesses  = "process list"
	cmdRun        = "create process"
	cmdDeleteFile = "delete file"
	cmdGetFile    = "get file"
	cmdPutFile    = "put file"
	cmdMemdump    = "memdump"
)

// How long commands may take, as the vendor's client waits (§9.4).
const (
	killTime    = 10 * time.Second
	commandTime = 2 * time.Minute
	memdumpTime = time.Hour
	getFileTime = 30 * time.Minute // the sensor uploads the whole file meanwhile
)

// commandState is the normalised state of a command. What is not known continues (§9.4).
func commandState(w *wire.Command) model.ActionState {
	switch s := strings.ToLower(string(w.Status)); {
	case s == "complete" || s == "completed":
		return model.ActionDone
	case s == "error":
		return model.ActionFailed
	case strings.HasPrefix(s, "cancel"):
		return model.ActionCancelled
	case s == "pending":
		return model.ActionSent
	}
	return model.ActionRunning
}

func commandPath(sessionID string, id int64) string {
	return sessionPath(sessionID) + "/command/" + strconv.FormatInt(id, 10)
}

// issue posts a command, once. A session that ended meanwhile is errGone.
func (s *session) issue(ctx context.Context, what string, o wire.CommandRequest) (*wire.Command, error) {
	if !s.supports(o.Name) {
		return nil, &backends.Error{Kind: backends.KindUnsupported, What: what,
			Why: fmt.Sprintf("the sensor does not take %q; it takes %s", o.Name, strings.Join(s.takes, ", "))}
	}
	o.SessionID = s.id
	var w wire.Command
	err := s.d.act(ctx, what, catalog.RouteLive, http.MethodPost, sessionPath(s.id)+"/command", o, &w)
	if backends.KindOf(err) == backends.KindNotFound {
		s.forget()
		return nil, &backends.Error{Kind: backends.KindUnavailable, What: what, Why: "the live response session has ended: nothing was sent to the device", Err: errSessionEnded}
	}
	if err != nil {
		return nil, err
	}
	if !w.ID.Set || w.ID.N < 0 {
		return nil, &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: "the answer names no command: it may have been carried out"}
	}
	return &w, nil
}

// follow polls a command until it ends; tell hears of each answer. A failed
// command is not an error of follow. What cannot be followed to its end is
// KindAmbiguous.
func (s *session) follow(ctx context.Context, what string, w *wire.Command, limit time.Duration, tell func(*wire.Command)) (*wire.Command, error) {
	return s.d.followCommand(ctx, what, s.id, w, limit, tell)
}

func (d *Driver) followCommand(ctx context.Context, what, sessionID string, w *wire.Command, limit time.Duration, tell func(*wire.Command)) (*wire.Command, error) {
	unclear := func(why string, err error) error {
		return &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: why + ": the command was sent, and how it ended is not known", Err: err}
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	id, file := w.ID.N, w.FileID
	for delay := pollFirst; ; delay = min(delay*3/2, pollMost) {
		if w.FileID.Set {
			file = w.FileID
		}
		w.FileID = file // in the answer to the POST or in the end (§9.3)
		if tell != nil {
			tell(w)
		}
		if commandState(w).Final() {
			return w, nil
		}
		if err := pause(waiting, delay); err != nil {
			if ctx.Err() != nil {
				return w, unclear("interrupted", ctx.Err())
			}
			return w, unclear(fmt.Sprintf("it has not ended in %s", limit), nil)
		}
		var next wire.Command
		_, err := d.get(waiting, what, catalog.RouteLive, commandPath(sessionID, id), nil, &next)
		switch kind := backends.KindOf(err); {
		case err == nil:
			w = &next
		case waiting.Err() != nil:
		case kind == backends.KindNotFound:
			return w, unclear("the session ended meanwhile", err)
		case kind == backends.KindUnavailable, kind == backends.KindRateLimited, kind == backends.KindMalformed:
			var e *backends.Error
			if errors.As(err, &e) && e.After > 0 {
				delay = max(delay, min(e.After, time.Minute))
			}
		default:
			return w, unclear(err.Error(), err)
		}
	}
}

// do issues a command of which nothing but its result is wanted, and waits
// for it. A command that failed on the endpoint is an error.
func (s *session) do(ctx context.Context, what string, o wire.CommandRequest, limit time.Duration) (*wire.Command, error) {
	w, err := s.issue(ctx, what, o)
	if err != nil {
		return nil, err
	}
	if w, err = s.follow(ctx, what, w, limit, nil); err != nil {
		return w, err
	}
	if commandState(w) != model.ActionDone {
		return w, &backends.Error{Kind: backends.KindOther, What: what, Why: o.Name + " failed on the device: " + w.Failure()}
	}
	return w, nil
}
