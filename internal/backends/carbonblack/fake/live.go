package fake

import "net/http"

type live struct{ sessions map[string]*session }
type session struct{}

func (s *Server) liveResponse(w http.ResponseWriter, _ *http.Request, _ []string) {
	s.fail(w, http.StatusNotFound, "Object Not Found")
}
