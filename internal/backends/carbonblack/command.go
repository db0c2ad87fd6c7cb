package carbonblack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/model"
)

// rawValue is a JSON value as it came.
type rawValue = jsontext.Value

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

// order is the body of POST …/command.
type order struct {
	SessionID        string `json:"session_id"`
	Name             string `json:"name"`
	Object           any    `json:"object,omitempty"`
	Wait             bool   `json:"wait,omitempty"`
	OutputFile       string `json:"output_file,omitempty"`
	WorkingDirectory string `json:"working_directory,omitempty"`
	Offset           *int64 `json:"offset,omitempty"`
	GetCount         *int64 `json:"get_count,omitempty"`
	FileID           any    `json:"file_id,omitempty"` // a number; in a preview "…"
	Compress         bool   `json:"compress,omitempty"`
}

// cancelOrder is the body of PUT …/command/{id}.
type cancelOrder struct {
	CmdID int64 `json:"cmdid"`
}

// wireCommand is a command and what it gave (§9.3, §9.4).
type wireCommand struct {
	ID             whole                 `json:"id"`
	SessionID      text                  `json:"session_id"`
	SensorID       whole                 `json:"sensor_id"`
	Name           text                  `json:"name"`
	Status         text                  `json:"status"`
	Object         text                  `json:"object"`
	Obj            object[wireObj]       `json:"obj"`
	CreateTime     whole                 `json:"create_time"`
	CompletionTime whole                 `json:"completion_time"`
	ResultCode     whole                 `json:"result_code"`
	ResultType     text                  `json:"result_type"`
	ResultDesc     text                  `json:"result_desc"`
	FileID         whole                 `json:"file_id"`
	Processes      list[wireLiveProcess] `json:"processes"`
	PID            whole                 `json:"pid"`
	ReturnCode     whole                 `json:"return_code"`
	PercentDone    whole                 `json:"percentdone"`
}

// wireObj is where Cb Defense keeps the operand (§9.4).
type wireObj struct {
	Object text `json:"object"`
}

// wireLiveProcess is a row of process list; create_time is in seconds.
type wireLiveProcess struct {
	PID         whole `json:"pid"`
	Parent      whole `json:"parent"`
	Path        text  `json:"path"`
	CommandLine text  `json:"command_line"`
	UserName    text  `json:"username"`
	CreateTime  whole `json:"create_time"`
}

func (w *wireCommand) operand() string {
	if w.Object != "" {
		return string(w.Object)
	}
	return string(first(w.Obj.v).Object)
}

// state is the normalised state of a command. What is not known goes on (§9.4).
func (w *wireCommand) state() model.ActionState {
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

// The errors a sensor reports most, by HRESULT.
var hresults = map[uint32]string{
	0x80004005: "unspecified failure",
	0x80070002: "no such file or process",
	0x80070003: "no such directory",
	0x80070005: "access denied",
	0x80070006: "the handle is invalid",
	0x8007000D: "the data is invalid",
	0x8007000E: "out of memory",
	0x80070020: "the file is in use by another process",
	0x80070021: "the file is locked by another process",
	0x80070035: "the network path was not found",
	0x80070050: "the file exists already",
	0x80070057: "the sensor does not take this value, or there is no such process",
	0x80070070: "the disk is full",
	0x8007007B: "this is no valid name",
	0x80070091: "the directory is not empty",
	0x800700B7: "it exists already",
	0x800700C1: "not a valid program",
	0x800702E4: "elevation is needed",
	0x800705B4: "timed out",
}

// failure says why a command failed. The code comes signed or unsigned (§9.4).
func (w *wireCommand) failure() string {
	code := uint32(w.ResultCode.n) // an HRESULT is 32 bits, whatever its sign
	desc := strings.TrimRight(string(w.ResultDesc), ". ")
	if code == 0 {
		if desc == "" {
			return "the sensor reported an error without a reason"
		}
		return desc
	}
	known := hresults[code]
	switch {
	case known == "" && desc == "":
		known = "the sensor reported an error"
	case known == "":
		known = desc
	case desc != "" && !strings.EqualFold(desc, known):
		known += ": " + desc
	}
	return fmt.Sprintf("%s (0x%08X)", known, code)
}

func commandPath(sessionID string, id int64) string {
	return sessionPath(sessionID) + "/command/" + strconv.FormatInt(id, 10)
}

// issue posts a command, once. A session that ended meanwhile is errGone.
func (s *session) issue(ctx context.Context, what string, o order) (*wireCommand, error) {
	if !s.supports(o.Name) {
		return nil, &backends.Error{Kind: backends.KindUnsupported, What: what,
			Why: fmt.Sprintf("the sensor does not take %q; it takes %s", o.Name, strings.Join(s.takes, ", "))}
	}
	o.SessionID = s.id
	var w wireCommand
	err := s.d.act(ctx, what, routeLive, http.MethodPost, sessionPath(s.id)+"/command", o, &w)
	if backends.KindOf(err) == backends.KindNotFound {
		s.lose()
		return nil, &backends.Error{Kind: backends.KindUnavailable, What: what, Why: "the live response session has ended: nothing was sent to the device", Err: errGone}
	}
	if err != nil {
		return nil, err
	}
	if !w.ID.set || w.ID.n < 0 {
		return nil, &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: "the answer names no command: it may have been carried out"}
	}
	return &w, nil
}

// follow polls a command until it ends; tell hears of each answer. A failed
// command is no error of follow. What cannot be followed to its end is
// KindAmbiguous.
func (s *session) follow(ctx context.Context, what string, w *wireCommand, limit time.Duration, tell func(*wireCommand)) (*wireCommand, error) {
	return s.d.followCommand(ctx, what, s.id, w, limit, tell)
}

func (d *Driver) followCommand(ctx context.Context, what, sessionID string, w *wireCommand, limit time.Duration, tell func(*wireCommand)) (*wireCommand, error) {
	lost := func(why string, err error) error {
		return &backends.Error{Kind: backends.KindAmbiguous, What: what, Why: why + ": the command was sent, and how it ended is not known", Err: err}
	}
	waiting, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	id, file := w.ID.n, w.FileID
	for delay := pollFirst; ; delay = min(delay*3/2, pollMost) {
		if w.FileID.set {
			file = w.FileID
		}
		w.FileID = file // in the answer to the POST or in the end (§9.3)
		if tell != nil {
			tell(w)
		}
		if w.state().Final() {
			return w, nil
		}
		if err := pause(waiting, delay); err != nil {
			if ctx.Err() != nil {
				return w, lost("interrupted", ctx.Err())
			}
			return w, lost(fmt.Sprintf("it has not ended in %s", limit), nil)
		}
		var next wireCommand
		_, err := d.get(waiting, what, routeLive, commandPath(sessionID, id), nil, &next)
		switch kind := backends.KindOf(err); {
		case err == nil:
			w = &next
		case waiting.Err() != nil:
		case kind == backends.KindNotFound:
			return w, lost("the session ended meanwhile", err)
		case kind == backends.KindUnavailable, kind == backends.KindRateLimited, kind == backends.KindMalformed:
			var e *backends.Error
			if errors.As(err, &e) && e.After > 0 {
				delay = max(delay, min(e.After, time.Minute))
			}
		default:
			return w, lost(err.Error(), err)
		}
	}
}

// do issues a command of which nothing but its result is wanted, and waits
// for it. A command that failed on the endpoint is an error.
func (s *session) do(ctx context.Context, what string, o order, limit time.Duration) (*wireCommand, error) {
	w, err := s.issue(ctx, what, o)
	if err != nil {
		return nil, err
	}
	if w, err = s.follow(ctx, what, w, limit, nil); err != nil {
		return w, err
	}
	if w.state() != model.ActionDone {
		return w, &backends.Error{Kind: backends.KindOther, What: what, Why: o.Name + " failed on the device: " + w.failure()}
	}
	return w, nil
}
