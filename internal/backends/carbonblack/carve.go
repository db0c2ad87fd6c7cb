package carbonblack

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/catalog"
	"github.com/edrctl/edrctl/internal/backends/carbonblack/wire"
	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

func carveID(session string, command, file int64) string {
	return fmt.Sprintf("%s.%d.%d", session, command, file)
}

func parseCarveID(id string) (session string, command, file int64, ok bool) {
	head, last, ok1 := cutLast(id)
	session, mid, ok2 := cutLast(head)
	var err1, err2 error
	file, err1 = strconv.ParseInt(last, 10, 64)
	command, err2 = strconv.ParseInt(mid, 10, 64)
	return session, command, file, ok1 && ok2 && err1 == nil && err2 == nil && file >= 0 && command >= 0 && validSession(session)
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

func filePath(session string, file int64) string {
	return sessionPath(session) + "/file/" + strconv.FormatInt(file, 10)
}

func contentCall(session string, file, most int64) client.Call {
	return client.Call{Path: catalog.Base + filePath(session, file) + "/content", Header: http.Header{"Accept": {"*/*"}}, MaxBytes: most}
}

func (d *Driver) fileInfo(ctx context.Context, what, session string, file int64) (*wire.File, error) {
	var f wire.File
	if _, err := d.get(ctx, what, catalog.RouteLive, filePath(session, file), nil, &f); err != nil {
		return nil, err
	}
	return &f, nil
}

// sessionOver explains a 404 below a session.
func sessionOver(what, id string, err error) error {
	if backends.KindOf(err) != backends.KindNotFound {
		return err
	}
	return &backends.Error{
		Kind: backends.KindNotFound, What: what,
		Why:  "no collected file " + id + ": its live response session has ended, and the server keeps files no longer",
		Hint: "collect it again: edrctl carve get HOST PATH", Err: err,
	}
}

// Carve tells how collecting a file goes.
func (d *Driver) Carve(ctx context.Context, id string) (*model.Carve, error) {
	const what = "cannot read the collected file"
	session, command, file, ok := parseCarveID(id)
	if !ok {
		return nil, backends.NotFound("collected file", id)
	}
	var w wire.Command
	if _, err := d.get(ctx, what, catalog.RouteLive, commandPath(session, command), nil, &w); err != nil {
		return nil, sessionOver(what, id, err)
	}
	c := &model.Carve{Origin: model.Origin{ID: id}, Path: w.Operand(), Created: model.FromMillis(w.CreateTime.N)}
	c.Host = d.carvedOn(ctx, session, wire.Number(w.SensorID))
	switch commandState(&w) {
	case model.ActionFailed, model.ActionCancelled:
		c.State = model.CarveFailed
	case model.ActionDone:
		c.State = model.CarveComplete
	case model.ActionSent:
		c.State = model.CarveRequested
	default:
		c.State = model.CarveRunning
	}
	f, err := d.fileInfo(ctx, what, session, file)
	if err != nil {
		if c.State == model.CarveFailed && backends.KindOf(err) == backends.KindNotFound {
			c.Name = model.BaseName(c.Path)
			return c, nil
		}
		return nil, sessionOver(what, id, err)
	}
	c.Path, c.Size = cmp.Or(c.Path, string(f.FileName)), f.Size.N
	c.Name = model.BaseName(c.Path)
	if f.Size.N > 0 && f.SizeUploaded.Set {
		c.Progress = model.Ptr(min(1, max(0, float64(f.SizeUploaded.N)/float64(f.Size.N))))
		if c.State == model.CarveComplete && f.SizeUploaded.N < f.Size.N {
			c.State = model.CarveRunning
		}
	}
	return c, nil
}

// carvedOn names the device of a session: <n>:<device>.
func (d *Driver) carvedOn(ctx context.Context, session, device string) *model.Host {
	if device == "" {
		if _, after, ok := strings.Cut(session, ":"); ok && isDigits(after) {
			device = after
		}
	}
	if device == "" {
		return nil
	}
	h := &model.Host{Origin: model.Origin{ID: device}}
	if dev, _, err := d.deviceInfo(ctx, "cannot name the device", device); err == nil {
		full := deviceHost(dev, model.At(d.opt.Clock()))
		h.Name, h.Domain, h.OS = full.Name, full.Domain, full.OS
	}
	return h
}

// Download writes a collected file. v3 promises no ranges: what the server
// sends whole is begun again.
func (d *Driver) Download(ctx context.Context, id string, offset int64, w io.Writer) (n int64, resumed bool, err error) {
	const what = "cannot download the collected file"
	session, _, file, ok := parseCarveID(id)
	if !ok {
		return 0, false, backends.NotFound("collected file", id)
	}
	if _, _, err := d.keyFor(ctx, catalog.RouteLive); err != nil {
		return 0, false, backends.FromClient(what, err)
	}
	n, resumed, err = d.client.Download(ctx, contentCall(session, file, 0), offset, w)
	if err != nil {
		return n, resumed, sessionOver(what, id, d.explain(ctx, what, catalog.RouteLive, false, err))
	}
	d.fetched(session, strconv.FormatInt(file, 10))
	return n, resumed, nil
}

func deleteCarve(what, id string) (client.Call, error) {
	session, _, file, ok := parseCarveID(id)
	if !ok {
		return client.Call{}, backends.Invalid(what, fmt.Sprintf("%q is not a collected file of Carbon Black", id))
	}
	return client.Call{Method: http.MethodDelete, Path: catalog.Base + filePath(session, file)}, nil
}

// removeCarve deletes a collected file from its session.
func (d *Driver) removeCarve(ctx context.Context, what string, c backends.Change, act *model.Action, update func(*model.Action)) error {
	call, err := deleteCarve(what, c.CarveID)
	if err != nil {
		return err
	}
	act.State, act.RequestedAt = model.ActionSent, model.At(d.opt.Clock())
	update(snapshot(act))
	if err := d.actCall(ctx, what, catalog.RouteLive, call, nil); err != nil {
		return sessionOver(what, c.CarveID, err)
	}
	session, _, file, _ := parseCarveID(c.CarveID)
	d.fetched(session, strconv.FormatInt(file, 10))
	act.NativeState = "accepted" // whether it is gone, a look tells
	return nil
}
