package filter_test

import (
	"os/exec"
	"testing"

	"github.com/edrctl/edrctl/internal/filter"
)

// A filter shown as flags runs nothing when it is pasted: the shell hands each
// value on as it is.
func TestStringCanBePasted(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"$(touch x)", "`touch x`", "a;touch x", "it's", `C:\x\`, "-rf", "x\ny"} {
		var f filter.Filter
		if err := f.Add(filter.Host, "="+name); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", `e() { printf '%s' "$2"; }; e `+f.String())
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil || string(out) != "="+name {
			t.Errorf("%q shown as %s is read as %q %v", name, f.String(), out, err)
		}
	}
}
