package gene

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/lazyregexp"
	"github.com/edrctl/edrctl/internal/model"
)

// Files come from two places: artifacts, which agents send by themselves
// after an alert and the manager stores (docs/wire/gene.md 9), and the answer of a
// command, where they are until the next command (docs/wire/gene.md 5).

var hashForm = lazyregexp.New(`^[0-9a-fA-F]+$`)

// carveParts splits an id. guid is fetchMark for a file of a command.
func carveParts(id string) (uuid, guid, hash, name string, err error) {
	p := strings.SplitN(id, "/", 4)
	notFound := func() (string, string, string, string, error) {
		return "", "", "", "", backends.NotFound("carve", id)
	}
	if len(p) != 4 || !wire.IsUUID(p[0]) || p[3] == "" {
		return notFound()
	}
	if p[1] == fetchMark {
		if !wire.IsUUID(p[2]) || !wire.IsUUID(p[3]) {
			return notFound()
		}
		return p[0], p[1], p[2], p[3], nil
	}
	// The manager cleans paths before it looks at them: a name that is more
	// than one would be another's address.
	if !wire.IsUUID(p[1]) || !hashForm.MatchString(p[2]) || strings.Contains(p[3], "/") || p[3] == "." || p[3] == ".." {
		return notFound()
	}
	return p[0], p[1], p[2], p[3], nil
}

// Carve reads the record of one collected file.
func (d *Driver) Carve(ctx context.Context, id string) (*model.Carve, error) {
	what := "cannot read carve " + id
	uuid, guid, hash, name, err := carveParts(id)
	if err != nil {
		return nil, err
	}
	if guid == fetchMark {
		c, err := d.fetched(ctx, id, uuid, hash, name)
		return c, d.fail(what, err)
	}
	c, err := d.artifact(ctx, id, uuid, guid, hash, name)
	return c, d.fail(what, err)
}

// Download writes the stored bytes of a file. Neither source can begin in the
// middle: w is emptied, or the error is client.ErrRestart.
func (d *Driver) Download(ctx context.Context, id string, offset int64, w io.Writer) (int64, bool, error) {
	what := "cannot download carve " + id
	uuid, guid, hash, name, err := carveParts(id)
	if err != nil {
		return 0, false, err
	}
	if offset > 0 {
		if err := restart(w); err != nil {
			return 0, false, err
		}
	}
	var n int64
	if guid == fetchMark {
		n, err = d.downloadFetched(ctx, id, uuid, hash, name, w)
	} else {
		n, err = d.downloadArtifact(ctx, uuid, guid, hash, url.PathEscape(name), w)
		if strings.Contains(name, "%") && n == 0 && backends.KindOf(err) == backends.KindNotFound {
			// A manager may unescape the name once more than the path needs.
			n, err = d.downloadArtifact(ctx, uuid, guid, hash, url.PathEscape(url.PathEscape(name)), w)
		}
	}
	if err == nil {
		return n, false, nil
	}
	var mine *wire.WriteError
	if errors.As(err, &mine) {
		return n, false, mine.Err
	}
	return n, false, d.fail(what, err)
}

// restart empties a writer that can be.
func restart(w io.Writer) error {
	f, ok := w.(interface {
		io.Seeker
		Truncate(int64) error
	})
	if !ok {
		return client.ErrRestart
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// What the driver can collect, held by the compiler.
var (
	_ backends.Carver = (*Driver)(nil)
)

// Carves lists the files agents collected, the newest first; those without a
// date (v1.8.0-beta) come last. An id is endpoint/process GUID/event hash/file
// name. Older managers than v1.8.0-beta keep no artifacts.
func (d *Driver) Carves(ctx context.Context, q backends.Query) (backends.Listing[*model.Carve], error) {
	query := url.Values{}
	if !q.Since.IsZero() {
		query.Set("since", q.Since.UTC().Add(-time.Nanosecond).Format(time.RFC3339Nano))
	}
	plan := backends.Plan{
		Requests: []string{d.describe("/endpoints"), d.ofEach(q.Filter, "artifacts", query)},
		Residual: q.Filter,
	}
	return backends.Listing[*model.Carve]{Plan: plan, Seq: func(yield func(*model.Carve, error) bool) {
		list, err := d.carves(ctx, q, query)
		if err != nil {
			yield(nil, d.fail("cannot list artifacts", err))
			return
		}
		for _, c := range list {
			if !yield(c, nil) {
				return
			}
		}
	}}, nil
}
