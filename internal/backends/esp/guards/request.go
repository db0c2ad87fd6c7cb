package guards

import (
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/wire"
	"github.com/edrctl/edrctl/internal/client"
)

// Request is a call as it goes out. extra are members the document does not
// know: the server ignores what it does not know either.
func Request(c backends.Call, extra map[string]any) (client.Call, error) {
	call, err := backends.Build(c)
	if err != nil {
		return call, err
	}
	if c.Op.Name == "downloads.get" {
		call.Path = strings.ReplaceAll(call.Path, "%2F", "/")
	}
	if c.Op.Name == "" {
		// A path copied from the document or from a wire log has the base before it.
		for _, base := range wire.BasePaths {
			call.Path = strings.TrimPrefix(call.Path, base)
		}
	}
	if len(extra) > 0 && len(call.Parts) == 0 && call.Body == nil {
		body, _ := call.JSON.(map[string]any)
		if body == nil {
			body = map[string]any{}
		}
		for name, v := range extra {
			body[name] = v
		}
		call.JSON = body
	}
	return call, nil
}
