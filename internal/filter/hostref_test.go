package filter

import (
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

// The ref of a host filters a list that is already here, where no profile can
// be asked: the terminal interface's filter line, a replayed file.
func TestRefOfAHostFiltersLocally(t *testing.T) {
	host := func(profile, id, name string) *model.Host {
		return &model.Host{Origin: model.Origin{ID: id, Profile: profile, Ref: profile + "/" + id}, Name: name}
	}
	for line, want := range map[string][2]bool{
		"host=lab/17":                    {true, false},
		"host~lab/17":                    {true, false},
		"!host=lab/17":                   {false, true},
		"host=lab/1":                     {false, false},
		"host=other/17":                  {false, false},
		"host=lab/17,lab/175":            {true, true},
		"(host=lab/175 or host=nothing)": {false, true},
	} {
		e, err := ParseExpr(line, nil)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		for i, h := range []*model.Host{host("lab", "17", "FIN-WS-014"), host("lab", "175", "HR-LT-221")} {
			for _, r := range []model.Record{h, &model.Alert{Host: h}, &model.Event{Host: h}} {
				if got := e.Match(r); got != want[i] {
					t.Errorf("%s on %T of %s: %v", line, r, h.Ref, got)
				}
			}
		}
	}
}
