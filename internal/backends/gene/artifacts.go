package gene

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/gene/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

func (d *Driver) carves(ctx context.Context, q backends.Query, query url.Values) ([]*model.Carve, error) {
	all, err := d.endpoints(ctx, false)
	if err != nil {
		return nil, err
	}
	var out []*model.Carve
	for _, ep := range filterEndpoints(all, hostFilter(q.Filter)) {
		var docs []json.RawMessage
		_, err := d.get(ctx, "/endpoints/"+ep.UUID+"/artifacts", query, &docs)
		switch {
		case isStatus(err, http.StatusNotFound):
			return nil, backends.Unsupported(Name, "cannot list artifacts", "this manager is older than v1.8.0-beta; files fetched by a command are in its answer")
		case wire.IsEmptyStore(err):
			continue // no artifact was ever received (trap 12)
		case err != nil:
			return nil, err
		}
		for _, doc := range docs {
			var set wire.Artifact
			if err := json.Unmarshal(doc, &set); err != nil {
				return nil, backends.Malformed("", "an artifact is not of the promised shape")
			}
			for _, f := range set.Files {
				c := carve(d.host(ep), set, f)
				if t := c.Created; !t.IsZero() && (t.Before(q.Since) || !q.Until.IsZero() && !t.Before(q.Until)) {
					continue
				}
				if q.Raw {
					c.Raw = doc
				}
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *model.Carve) int { return b.Created.Compare(a.Created.Time) })
	return out, nil
}

// carve makes a record of one file. Its address is put together from the
// parts: the server's base-url cannot be trusted (docs/wire/gene.md 9).
func carve(h *model.Host, set wire.Artifact, f wire.ArtifactFile) *model.Carve {
	c := &model.Carve{
		Origin: model.Origin{ID: strings.Join([]string{h.ID, set.ProcessGUID, set.EventHash, f.Name}, "/")},
		Host:   h, Path: f.Name, Name: f.Name, Size: int64(f.Size), State: model.CarveComplete,
	}
	for _, text := range []string{f.Timestamp, set.Update, set.Modification, set.Creation} {
		if t, ok := wire.ParseTime(text); ok {
			c.Created = model.At(t)
			break
		}
	}
	return c
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
	kind := client.MediaType(st.Header) // "" is not JSON
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
			var answer *wire.AnswerError
			if _, eerr := wire.DecodeEnvelope(head); errors.As(eerr, &answer) {
				if wire.IsEmptyStore(eerr) || answer.Text == "File not found" {
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
