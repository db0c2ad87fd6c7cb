// Command edrctl is one command line for analysts who work across several EDR
// products.
package main

import (
	"os"
	_ "time/tzdata" // zones for systems without a database of them: Windows, small containers

	"github.com/edrctl/edrctl/cmd/cli"
	_ "github.com/edrctl/edrctl/internal/backends/all"
	"github.com/edrctl/edrctl/internal/iostreams"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], iostreams.System(os.Getenv), os.Getenv))
}
