package backends

import (
	"context"
	"io"
	"time"

	"github.com/edrctl/edrctl/internal/model"
)

// Verbs of changes. What a backend can do is the list its Changer gives.
const (
	VerbKill         = "kill"
	VerbDeleteFile   = "delete-file"
	VerbIsolate      = "isolate"
	VerbRelease      = "release"
	VerbRun          = "run"
	VerbScript       = "script"
	VerbBlock        = "block"
	VerbUnblock      = "unblock"
	VerbScan         = "scan"
	VerbRestartAgent = "restart-agent"
	VerbCarve        = "carve"
	VerbMemdump      = "memdump"
	VerbCarveDelete  = "carve.delete"
	VerbAlertClose   = "alert.close"
	VerbAlertDismiss = "alert.dismiss"
	VerbAlertReopen  = "alert.reopen"
	VerbAlertCreate  = "alert.create"
	VerbHostTag      = "host.tag"
	VerbHostUntag    = "host.untag"
	VerbHostAdd      = "host.add"
	VerbHostRemove   = "host.remove"
	VerbHostEnable   = "host.enable"
	VerbHostDelete   = "host.delete"
	VerbHostEdit     = "host.edit"
	VerbActionDelete = "action.delete"
	VerbCancel       = "cancel"
)

// AllVerbs lists every verb, in the order they are shown.
var AllVerbs = []string{
	VerbKill, VerbDeleteFile, VerbIsolate, VerbRelease, VerbRun, VerbScript, VerbBlock, VerbUnblock, VerbScan, VerbRestartAgent,
	VerbCarve, VerbMemdump, VerbCarveDelete, VerbAlertClose, VerbAlertDismiss, VerbAlertReopen, VerbAlertCreate,
	VerbHostTag, VerbHostUntag, VerbHostAdd, VerbHostRemove, VerbHostEnable, VerbHostDelete, VerbHostEdit, VerbActionDelete, VerbCancel, VerbCall,
}

// ParamPolicy is the parameter of release that names the policy to release to.
const ParamPolicy = "policy"

// DetailMakes is in an action's Details the names of what it makes, one a
// line, where the backend's answer does not tell them.
const DetailMakes = "makes"

// DetailNothing says in an action's Details that it found nothing to do when
// it was to be sent, and why: it changed nothing, and there is nothing to undo.
const DetailNothing = "nothing"

// VerbSpec is one thing a backend can change.
type VerbSpec struct {
	Verb    string
	Needs   []string // fields of Change it needs next to Host: pid path command script address program scan tags alert body …
	Takes   []string // fields it also uses when they are given
	Inverse string   // the verb that undoes it; "" = it cannot be undone
	How     string   // how this backend does it, for people: "moves the device to the quarantine policy"
	Sync    bool     // Apply returns only when it is over; else the action is polled
}

// Change is one thing to change on one target. Texts are kept exactly as the
// user gave them: quoting for the wire is the driver's.
type Change struct {
	Verb     string
	Host     *model.Host // resolved and freshly read; nil where the verb has no host
	AlertID  string
	ActionID string // of cancel and action.delete
	CarveID  string
	PID      int64
	Path     string // on the endpoint; for kill: the path the pid must have
	Command  []string
	Script   *Script
	Address  string
	Port     int
	Program  string
	Scan     string // quick full custom
	Tags     []string
	Verdict  model.Verdict
	Comment  string
	Body     []byte            // JSON of alert.create and the like
	Params   map[string]string // what else one backend's verb takes
	Queue    bool              // send although the host is not ready
	Timeout  time.Duration     // of the command on the endpoint; 0 = the backend's own
	Until    time.Time         // when waiting for the endpoint ends; zero = by the backend's own limits
	Undo     *model.Action     // the action this change takes back, with its Details
	Call     *Call             // of VerbCall
}

// moment is what a wait that is over already still gets: an endpoint that
// listens answers at once.
const moment = 2 * time.Second

// Within is how long Apply may wait for the endpoint where the backend's own
// limit is own: no longer than until Until.
func (c Change) Within(own time.Duration) time.Duration {
	if c.Until.IsZero() {
		return own
	}
	return min(own, max(time.Until(c.Until), moment))
}

// WaitOver tells whether the caller waits no longer.
func (c Change) WaitOver() bool { return !c.Until.IsZero() && !time.Now().Before(c.Until) }

// Script is a file to run on a host.
type Script struct {
	Name    string
	Content []byte
}

// Preview is what a change would do, found out by reading only.
type Preview struct {
	Requests   []string // exact: METHOD path?query body, secrets masked, in the order they would be sent
	Summary    string   // for people, one line: moves it from policy "Servers" to "Quarantine"
	Reversible bool
	Inverse    string
	Warnings   []string // a pending command would be replaced, the host is offline …
	NotReady   string   // why the host cannot take it now; it is skipped unless Change.Queue
	Nothing    string   // why there is nothing to do: it is isolated already
}

// The optional interfaces of changing.
type (
	// Changer changes things. Apply sends every changing request exactly
	// once: when its answer is lost, it returns the action in state ambiguous
	// with an *Error of KindAmbiguous. update receives each state on the way.
	Changer interface {
		Verbs() []VerbSpec
		Preview(ctx context.Context, c Change) (Preview, error)
		Apply(ctx context.Context, c Change, update func(*model.Action)) (*model.Action, error)
	}
	// ActionPoller reads how actions are doing.
	ActionPoller interface {
		Action(ctx context.Context, id string) (*model.Action, error)
	}
	// ActionLister lists the actions the backend remembers.
	ActionLister interface {
		Actions(ctx context.Context, q Query) (Listing[*model.Action], error)
	}
	// ActionFinder looks up, by reading only, what became of a change whose
	// answer was lost. nil without an error: there is no trace of it.
	ActionFinder interface {
		FindAction(ctx context.Context, c Change, sent time.Time) (*model.Action, error)
	}
	// Carver downloads what was collected.
	Carver interface {
		Carve(ctx context.Context, id string) (*model.Carve, error)
		// Download writes the content from offset on. resumed false with
		// offset > 0 means that w was begun again (see client.Download).
		Download(ctx context.Context, id string, offset int64, w io.Writer) (n int64, resumed bool, err error)
	}
)

// VerbOf finds the spec of a verb, false when the backend cannot do it.
func VerbOf(c Changer, verb string) (VerbSpec, bool) {
	for _, v := range c.Verbs() {
		if v.Verb == verb {
			return v, true
		}
	}
	return VerbSpec{}, false
}
