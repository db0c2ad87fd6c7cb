package gene

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/model"
)

// maxCached bounds the files of ours that are kept in memory while the next
// command takes their slot.
const maxCached = 128 << 20

// A fetched file's id is endpoint/command/COMMAND/FILE, an artifact's
// endpoint/process GUID/event hash/name.
const fetchMark = "command"

func fetchID(uuid, command, file string) string {
	return strings.Join([]string{uuid, fetchMark, command, file}, "/")
}

// fetched reads a file of a command.
func (d *Driver) fetched(ctx context.Context, id, uuid, command, file string) (*model.Carve, error) {
	var mine *sentCommand
	var cached cachedFile
	var have bool
	d.session.locked(func() {
		mine = d.session.sent[command]
		cached, have = d.session.cached[id]
	})
	if have {
		one := cached.record
		return &one, nil
	}
	c := &model.Carve{Origin: model.Origin{ID: id}, Host: &model.Host{Origin: model.Origin{ID: uuid}}}
	if mine != nil {
		c.Host = d.host(mine.endpoint)
	} else if ep, err := d.listed(ctx, uuid); err == nil {
		c.Host = d.host(ep)
	} else if backends.KindOf(err) == backends.KindNotFound {
		return nil, err
	}
	s, err := d.slot(ctx, uuid, nil)
	if err != nil {
		return nil, err
	}
	if s == nil || s.UUID != command {
		return nil, errReplaced(id)
	}
	if t, ok := wire.ParseTime(s.SentTime); ok {
		c.Created = model.At(t)
	}
	for path, f := range s.Fetch {
		if f.UUID != file {
			continue
		}
		c.Path, c.Name, c.Size, c.SHA256 = path, model.BaseName(path), f.Size, f.SHA256
		switch {
		case !bool(s.Completed) && !bool(s.Sent):
			c.State = model.CarveRequested
		case !bool(s.Completed):
			c.State = model.CarveRunning
		case f.Error != "":
			return nil, &backends.Error{Why: "the agent says: " + f.Error}
		default:
			c.State = model.CarveComplete
		}
		return c, nil
	}
	return nil, backends.NotFound("carve", id)
}

func errReplaced(id string) error {
	e := backends.NotFound("carve", id)
	e.Hint = "a file collected by a command is in its answer only until the endpoint's next command: collect it again"
	return e
}

func (d *Driver) downloadFetched(ctx context.Context, id, uuid, command, file string, w io.Writer) (int64, error) {
	var cached cachedFile
	var have bool
	d.session.locked(func() { cached, have = d.session.cached[id] })
	if have {
		n, err := wire.MarkErrors(w).Write(cached.content)
		return int64(n), err
	}
	// Which path the file has is told after its content: look first.
	s, err := d.slot(ctx, uuid, nil)
	if err != nil {
		return 0, err
	}
	if s == nil || s.UUID != command {
		return 0, errReplaced(id)
	}
	path, found := "", false
	for p, f := range s.Fetch {
		if f.UUID == file {
			path, found = p, true
			switch {
			case f.Error != "":
				return 0, &backends.Error{Why: "the agent says: " + f.Error}
			case !bool(s.Completed):
				return 0, &backends.Error{Kind: backends.KindUnavailable, Why: "the agent has not sent it yet"}
			case !f.HasContent:
				return 0, nil // an empty file
			}
		}
	}
	if !found {
		return 0, backends.NotFound("carve", id)
	}
	var n counter
	again, err := d.slot(ctx, uuid, func(cmd, p string) io.Writer {
		if cmd != command || p != path {
			return nil
		}
		return io.MultiWriter(w, &n)
	})
	switch {
	case err != nil:
		return int64(n), err
	case again == nil || again.UUID != command || again.Fetch[path].SHA256 != s.Fetch[path].SHA256:
		return int64(n), &backends.Error{Kind: backends.KindUnavailable, Why: "the endpoint's command changed during the download"}
	}
	return int64(n), nil
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// cachingWriter takes a file into memory, as far as there is room.
type cachingWriter struct {
	b    bytes.Buffer
	over bool
}

func (k *cachingWriter) Write(p []byte) (int, error) {
	if k.over || k.b.Len()+len(p) > maxCached {
		k.over = true
		k.b.Reset()
	} else {
		k.b.Write(p)
	}
	return len(p), nil
}

// slotFiles are the files of a command of ours, by path: they are read into
// memory before the next command takes its slot.
type slotFiles map[string]*cachingWriter

func (f slotFiles) sink(d *Driver) func(command, path string) io.Writer {
	return func(command, path string) io.Writer {
		var mine *sentCommand
		d.session.locked(func() { mine = d.session.sent[command] })
		if mine == nil || !mine.fetch {
			return nil
		}
		f[path] = &cachingWriter{}
		return f[path]
	}
}

// cacheFiles takes over the files of a command of ours that is about to be
// replaced.
func (d *Driver) cacheFiles(what string, ep endpoint, s *wire.Command, files slotFiles) error {
	var err error
	d.session.locked(func() {
		mine := d.session.sent[s.UUID]
		if mine == nil || !mine.fetch {
			return
		}
		for path, f := range s.Fetch {
			id := fetchID(ep.UUID, s.UUID, f.UUID)
			if _, have := d.session.cached[id]; have || f.Error != "" || f.UUID == "" {
				continue
			}
			var b []byte
			if k := files[path]; k != nil {
				b = k.b.Bytes()
				if k.over || d.session.cachedSize+int64(len(b)) > maxCached {
					err = &backends.Error{
						Kind: backends.KindRefused, What: what + ": nothing was sent",
						Why:  fmt.Sprintf("the slot of %s holds %s (%d bytes), which is too large to be kept here and would be lost", nameOf(ep), path, f.Size),
						Hint: "collect and download one file after the other",
					}
					return
				}
			}
			one := model.Carve{
				Origin: model.Origin{ID: id}, Host: d.host(mine.endpoint), Path: path, Name: model.BaseName(path),
				Size: f.Size, SHA256: f.SHA256, State: model.CarveComplete,
			}
			if t, ok := wire.ParseTime(s.SentTime); ok {
				one.Created = model.At(t)
			}
			d.session.cached[id] = cachedFile{one, b}
			d.session.cachedSize += int64(len(b))
		}
	})
	return err
}
