// Package all links every driver into the program.
package all

import (
	_ "github.com/edrctl/edrctl/internal/backends/carbonblack" // Carbon Black v3
	_ "github.com/edrctl/edrctl/internal/backends/cwatch"      // Comodo cWatch EDR
	_ "github.com/edrctl/edrctl/internal/backends/esp"         // EclecticIQ ESP
	_ "github.com/edrctl/edrctl/internal/backends/files"       // evidence files
	_ "github.com/edrctl/edrctl/internal/backends/gene"        // Gene (WHIDS) manager
)
