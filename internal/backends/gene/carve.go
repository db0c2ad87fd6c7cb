package gene

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/lazyregexp"
	"github.com/edrctl/edrctl/internal/model"
)

// Files come from two places: artifacts, which agents send by themselves
// after an alert and the manager stores (docs/wire/gene.md 9), and the answer of a
// command, where they stand until the next command (docs/wire/gene.md 5).

// maxKept bounds the files of ours that are kept in memory while the next
// command takes their slot.
const maxKept = 128 << 20

// A fetched file's id is endpoint/command/COMMAND/FILE, an artifact's
// endpoint/process GUID/event hash/name.
const fetchMark = "command"

func fetchID(uuid, command, file string) string {
	return strings.Join([]string{uuid, fetchMark, command, file}, "/")
}

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

// artifact looks a stored file up in the list of its endpoint.
func (d *Driver) artifact(ctx context.Context, id, uuid, guid, hash, name string) (*model.Carve, error) {
	ep, err := d.listed(ctx, uuid)
	if err != nil {
		return nil, err
	}
	var docs []json.RawMessage
	_, err = d.get(ctx, "/endpoints/"+uuid+"/artifacts", nil, &docs)
	switch {
	case isStatus(err, http.StatusNotFound):
		return nil, backends.Unsupported(Name, "cannot read artifacts", "this manager is older than v1.8.0-beta and keeps none")
	case wire.IsEmptyStore(err):
		return nil, backends.NotFound("carve", id)
	case err != nil:
		return nil, err
	}
	for _, doc := range docs {
		var set wire.Artifact
		var base struct {
			URL string `json:"base-url"`
		}
		if json.Unmarshal(doc, &set) != nil || json.Unmarshal(doc, &base) != nil {
			return nil, backends.Malformed("", "an artifact is not of the promised shape")
		}
		if of, ok := ownerOf(base.URL); ok && of != uuid {
			return nil, d.wrongIndex("cannot read artifacts", ep, byUUID(of))
		}
		if set.ProcessGUID != guid || !strings.EqualFold(set.EventHash, hash) {
			continue
		}
		partly := false
		for _, f := range set.Files {
			if f.Name == name {
				c := carve(d.host(ep), set, f)
				c.ID = id
				return c, nil
			}
			partly = partly || isPiece(f.Name, name)
		}
		if partly {
			return &model.Carve{
				Origin: model.Origin{ID: id}, Host: d.host(ep), Path: name, Name: name, State: model.CarveRunning,
			}, nil
		}
	}
	return nil, backends.NotFound("carve", id)
}

// ownerOf is the endpoint an artifact's base-url names.
func ownerOf(base string) (string, bool) {
	rest, ok := strings.CutPrefix(base, "/endpoints/")
	if !ok {
		return "", false
	}
	uuid, _, _ := strings.Cut(rest, "/")
	return uuid, wire.IsUUID(uuid)
}

// isPiece tells a piece of a file that is still being sent: name.1, name.2 …
func isPiece(piece, name string) bool {
	rest, ok := strings.CutPrefix(piece, name+".")
	return ok && rest != "" && strings.Trim(rest, "0123456789") == ""
}

// listed finds an endpoint in the list.
func (d *Driver) listed(ctx context.Context, uuid string) (endpoint, error) {
	list, err := d.endpoints(ctx, false)
	if err != nil {
		return endpoint{}, err
	}
	for _, ep := range list {
		if ep.UUID == uuid {
			return ep, nil
		}
	}
	return endpoint{}, backends.NotFound("endpoint", uuid)
}

// fetched reads a file of a command.
func (d *Driver) fetched(ctx context.Context, id, uuid, command, file string) (*model.Carve, error) {
	var mine *sentCommand
	var kept keptFile
	var have bool
	d.hands.note(func() {
		mine = d.hands.sent[command]
		kept, have = d.hands.kept[id]
	})
	if have {
		one := kept.record
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
		return nil, replaced(id)
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

func replaced(id string) error {
	e := backends.NotFound("carve", id)
	e.Hint = "a file collected by a command stands in its answer only until the endpoint's next command: collect it again"
	return e
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

func (d *Driver) downloadArtifact(ctx context.Context, uuid, guid, hash, escaped string, w io.Writer) (int64, error) {
	st, err := d.c.Open(ctx, client.Call{
		Path:  "/endpoints/" + uuid + "/artifacts/" + guid + "/" + hash + "/" + escaped,
		Query: url.Values{"raw": {"true"}}, Raw: true,
	})
	if err != nil {
		return 0, err
	}
	defer func() { _ = st.Body.Close() }() // what matters was read or is an error
	// An error comes with status 200 too, in the envelope. Since beta.2 the
	// label tells it from a file; before, only its shape does.
	kind := client.MediaType(st.Header) // "" is no JSON
	var head []byte
	if kind == "application/json" || strings.HasPrefix(kind, "text/") {
		head = make([]byte, 8<<10)
		n, err := io.ReadFull(st.Body, head)
		head = head[:n]
		switch {
		case err == nil && kind == "application/json":
			return 0, backends.Malformed("", "a file was asked for, and JSON came")
		case err != nil && err != io.EOF && err != io.ErrUnexpectedEOF:
			return 0, err
		case err != nil:
			var said *wire.AnswerError
			if _, eerr := wire.DecodeEnvelope(head); errors.As(eerr, &said) {
				if wire.IsEmptyStore(eerr) || said.Text == "File not found" {
					return 0, backends.NotFound("file", escaped)
				}
				return 0, eerr
			} else if kind == "application/json" {
				return 0, backends.Malformed("", "a file was asked for, and JSON came")
			}
		}
	}
	return io.Copy(wire.MarkErrors(w), io.MultiReader(bytes.NewReader(head), st.Body))
}

func (d *Driver) downloadFetched(ctx context.Context, id, uuid, command, file string, w io.Writer) (int64, error) {
	var kept keptFile
	var have bool
	d.hands.note(func() { kept, have = d.hands.kept[id] })
	if have {
		n, err := wire.MarkErrors(w).Write(kept.content)
		return int64(n), err
	}
	// Which path the file has is told after its content: look first.
	s, err := d.slot(ctx, uuid, nil)
	if err != nil {
		return 0, err
	}
	if s == nil || s.UUID != command {
		return 0, replaced(id)
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

// keptFile is a file of ours whose slot was taken.
type keptFile struct {
	record  model.Carve
	content []byte
}

// held takes a file into memory, as far as there is room.
type held struct {
	b    bytes.Buffer
	over bool
}

func (k *held) Write(p []byte) (int, error) {
	if k.over || k.b.Len()+len(p) > maxKept {
		k.over = true
		k.b.Reset()
	} else {
		k.b.Write(p)
	}
	return len(p), nil
}

// slotFiles are the files of a command of ours, by path: they are read into
// memory before the next command takes its slot.
type slotFiles map[string]*held

func (f slotFiles) sink(d *Driver) func(command, path string) io.Writer {
	return func(command, path string) io.Writer {
		var mine *sentCommand
		d.hands.note(func() { mine = d.hands.sent[command] })
		if mine == nil || !mine.fetch {
			return nil
		}
		f[path] = &held{}
		return f[path]
	}
}

// keep takes over the files of a command of ours that is about to be
// replaced.
func (d *Driver) keep(what string, ep endpoint, s *wire.Command, files slotFiles) error {
	var err error
	d.hands.note(func() {
		mine := d.hands.sent[s.UUID]
		if mine == nil || !mine.fetch {
			return
		}
		for path, f := range s.Fetch {
			id := fetchID(ep.UUID, s.UUID, f.UUID)
			if _, have := d.hands.kept[id]; have || f.Error != "" || f.UUID == "" {
				continue
			}
			var b []byte
			if k := files[path]; k != nil {
				b = k.b.Bytes()
				if k.over || d.hands.size+int64(len(b)) > maxKept {
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
			d.hands.kept[id] = keptFile{one, b}
			d.hands.size += int64(len(b))
		}
	})
	return err
}

// What the driver can collect, held by the compiler.
var (
	_ backends.Carver = (*Driver)(nil)
)
