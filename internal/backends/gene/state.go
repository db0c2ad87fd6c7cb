package gene

import (
	"sync"

	"github.com/edrctl/edrctl/internal/model"
)

const (
	routeLogs       = "logs"
	routeDetections = "detections"
	routeAlerts     = "alerts"

	// nilUUID is a UUID no endpoint has. It is used only on routes whose
	// existence alone is asked, and never on managers that remember it (trap 2).
	nilUUID = "00000000-0000-0000-0000-000000000000"
)

// flavour is what has been found out about the manager.
type flavour struct {
	path            string // routeDetections or routeAlerts; "" = not known yet
	json            bool   // answers are labelled application/json: beta.2 or later
	needsShowKey    bool   // beta.2: GET of one endpoint without showkey erases its key
	criticality     bool
	systemInfo      bool
	sharedLogs      bool     // beta.2, beta.3: logs hold everybody's events, whatever UUID is asked
	sharedLogsKnown bool     // sharedLogs is known
	rules           *dialect // nil = not known yet
}

// legacy tells the managers that have /alerts: no limit, no paging, and a
// reading of whole calendar days that stops at the first late event.
func (f flavour) legacy() bool { return f.path == routeAlerts }

// dialect is how a manager wants rules.
type dialect struct {
	array   bool // beta.7 and later: an array, live and kept at once
	schema2 bool // beta.2 and later
	actions bool // v1.8.0-beta and later
}

// session remembers what this run has looked at and sent.
type session struct {
	mu          sync.Mutex
	shown       map[string]string        // endpoint → command its slot held when a preview showed it
	before      map[string]string        // endpoint and command → command its slot held before
	sent        map[string]*sentCommand  // by command
	ended       map[string]*model.Action // by command: how it ended
	cached      map[string]cachedFile    // by carve: files whose slot was taken since
	cachedSize  int64                    // of cached
	hostsBefore map[string][]string      // wanted name → endpoints there were before one was added
	shownPlans  map[string]string        // call → the requests that were shown for it
}

// locked runs f with the lock held.
func (s *session) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.shown == nil {
		s.shown, s.before, s.sent = map[string]string{}, map[string]string{}, map[string]*sentCommand{}
		s.ended, s.cached, s.hostsBefore = map[string]*model.Action{}, map[string]cachedFile{}, map[string][]string{}
		s.shownPlans = map[string]string{}
	}
	f()
}

// sentCommand is a command of this run.
type sentCommand struct {
	endpoint endpoint
	verb     string
	fetch    bool
}

// cachedFile is a file of ours whose slot was taken.
type cachedFile struct {
	record  model.Carve
	content []byte
}
