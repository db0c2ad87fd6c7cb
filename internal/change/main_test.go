package change_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/ops"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("CHANGE_TEST_CRASH"); dir != "" {
		crashChild(dir, os.Getenv("CHANGE_TEST_RUN"))
		return
	}
	goleak.VerifyTestMain(m)
}

func fleet(drivers ...backends.Driver) *ops.Fleet {
	f := &ops.Fleet{}
	for i, d := range drivers {
		f.Sources = append(f.Sources, ops.NewSource(fmt.Sprintf("p%d", i), d.Backend(), false, func() (backends.Driver, error) { return d, nil }))
	}
	return f
}

// mute can do nothing.
type mute struct{}

func (mute) Backend() string                                { return "mute" }
func (mute) Check(context.Context) (backends.Health, error) { return backends.Health{}, nil }
func (mute) Close() error                                   { return nil }
