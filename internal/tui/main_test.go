package tui_test

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run side by side than there are cores: most of what
// they do is wait for the screen to come to rest.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "8"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}
