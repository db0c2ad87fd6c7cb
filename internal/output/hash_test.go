package output

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

// A SHA-512 comes out in every form: as ECS and OCSF name it, and as JSON.
func TestSHA512(t *testing.T) {
	sum := strings.Repeat("0a", 64)
	h := &model.Hash{SHA512: sum}
	ecs, _ := json.Marshal(ecsHash(h))
	ocsf, _ := json.Marshal(ocsfHashes(h))
	for name, c := range map[string]struct{ got, want string }{
		"ecs":  {string(ecs), `{"sha512":"` + sum + `"}`},
		"ocsf": {string(ocsf), `[{"algorithm":"SHA-512","algorithm_id":4,"value":"` + sum + `"}]`},
		"json": {string(appendHash([]byte("{"), h)), `{"sha512":"` + sum + `"`},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
}
