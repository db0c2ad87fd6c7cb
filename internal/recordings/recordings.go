// Package recordings holds what real servers answered, for tests: exchanges with the
// Gene manager at four versions and with ESP Community Edition 3.5.1, and bodies that
// the vendors' documents and integrations show. README.md says what is evidence.
// Nothing but tests may import it.
package recordings

import (
	"archive/zip"
	"bytes"
	"embed"
	"io/fs"
)

//go:embed *.zip
var archives embed.FS

// Of gives the recordings of a product, by the name of its backend.
func Of(product string) fs.FS {
	data, err := archives.ReadFile(product + ".zip")
	if err != nil {
		panic(err) // there is no such product
	}
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		panic(err) // the archive in the repository is broken
	}
	return r
}
