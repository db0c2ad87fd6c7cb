package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// ErrRestart is returned by Download when the server sends a file from its
// start although a later part was asked for, and the writer cannot be emptied.
// Nothing was written.
var ErrRestart = errors.New("the server cannot resume: the download has to start again")

// restarter is a writer that can be emptied, as *os.File.
type restarter interface {
	io.Seeker
	Truncate(size int64) error
}

// Versioned is a writer that keeps, over several runs, of which version of the
// file its content is: the ETag or the date that the server gave with the first
// part. "" means that the server gave none.
type Versioned interface {
	Version() string
	SetVersion(version string) error
}

// minProgress is what a try must bring beyond the one before to count as progress.
const minProgress = 64 << 10

// Download copies the body of a call to w, beginning at offset of the file,
// and continues by itself after a lost connection as long as the tries bring
// something. n is what was written in this call.
//
// resumed tells that the server began at offset. When it sends the whole file
// instead, or another version of it than w has a part of (see Versioned), w is
// emptied and gets all of it if it can be (an *os.File can); otherwise the error
// is ErrRestart. A file that already ends at offset is n = 0, resumed = true.
// Errors are those of Open, and those of w as they are.
func (c *Client) Download(ctx context.Context, call Call, offset int64, w io.Writer) (n int64, resumed bool, err error) {
	if offset < 0 {
		return 0, false, fmt.Errorf("download: offset %d", offset)
	}
	d := &fetch{c: c, call: call, at: c.where(call), w: w, begin: offset, total: -1}
	if v, ok := w.(Versioned); ok && offset > 0 {
		d.version = v.Version()
	}
	resumed = offset > 0
	best := offset
	for failures := 0; ; {
		whole, err := d.part(ctx)
		if whole {
			resumed = false
		}
		if err == nil {
			return d.n, resumed, nil
		}
		if d.end() >= best+minProgress {
			failures = 0
		}
		grown := d.end() > best
		best = max(best, d.end())
		failures++
		switch {
		case errors.Is(err, errOtherVersion) && failures <= maxTries:
			if err := d.restart(); err != nil {
				return 0, false, err
			}
			resumed = false
			continue
		case !broken(err) || !grown && failures == 1 || d.at.acts || ctx.Err() != nil:
			return d.n, resumed, err
		case failures >= maxTries:
			return d.n, resumed, d.at.malformed(fmt.Sprintf("it cuts the file each time: %d bytes came in the best of the last %d tries", best, failures), io.ErrUnexpectedEOF)
		}
		if serr := c.sleep(ctx, c.backoff.delay(failures)); serr != nil {
			return d.n, resumed, d.at.transport(serr, true)
		}
	}
}

// broken tells whether a download may continue after err.
func broken(err error) bool {
	var te *TransportError
	var me *MalformedError
	return errors.As(err, &te) && !isTimeout(te) || errors.As(err, &me) && errors.Is(me, io.ErrUnexpectedEOF)
}

// errOtherVersion is a part of a file that is not the one the first part is of.
var errOtherVersion = errors.New("the file has changed on the server")

// fetch is one download on its way: w has the file up to begin+n.
type fetch struct {
	c        *Client
	call     Call
	at       where
	w        io.Writer
	begin, n int64
	version  string // of the file that w has a part of
	total    int64  // of that file; -1 = not known
}

func (d *fetch) end() int64 { return d.begin + d.n }

// restart empties w.
func (d *fetch) restart() error {
	r, ok := d.w.(restarter)
	if !ok {
		return ErrRestart
	}
	if err := r.Truncate(0); err != nil {
		return err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	d.begin, d.n, d.version, d.total = 0, 0, "", -1
	return nil
}

// part asks for the rest of the file and copies what comes. whole tells that
// the server began at 0 although w had a part.
func (d *fetch) part(ctx context.Context) (whole bool, err error) {
	call := d.call
	call.Raw = true
	call.Header = cloneHeader(call.Header)
	call.Header.Set("Accept-Encoding", "identity") // offsets count the file's bytes
	offset := d.end()
	if offset > 0 {
		call.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
		if d.version != "" {
			call.Header.Set("If-Range", d.version)
		}
	}
	s, err := d.c.Open(ctx, call)
	if err != nil {
		var se *StatusError
		if offset > 0 && errors.As(err, &se) && se.Code == http.StatusRequestedRangeNotSatisfiable {
			if _, total, ok := contentRange(se.Header.Get("Content-Range")); ok && total == offset {
				return false, nil
			}
		}
		return false, err
	}
	defer s.Body.Close()
	version, total := versionOf(s.Header), int64(-1)
	if s.Status == http.StatusPartialContent {
		start, all, ok := contentRange(s.Header.Get("Content-Range"))
		switch {
		case offset == 0:
			return false, d.at.malformed("it sends a part of the file, and the whole was asked for", nil)
		case !ok || start != offset:
			return false, d.at.malformed("it sends another part of the file than was asked for", nil)
		}
		total = all
		if differ(d.version, version) || d.total >= 0 && total >= 0 && d.total != total {
			return false, errOtherVersion
		}
	} else {
		if offset > 0 {
			if err := d.restart(); err != nil {
				return false, err
			}
			whole = true
		}
		if n, err := strconv.ParseInt(s.Header.Get("Content-Length"), 10, 64); err == nil {
			total = n
		}
	}
	if err := d.learn(version, total); err != nil {
		return whole, err
	}
	n, err := io.Copy(d.w, s.Body)
	d.n += n
	return whole, err
}

// learn keeps which version of the file w gets.
func (d *fetch) learn(version string, total int64) error {
	if total >= 0 {
		d.total = total
	}
	if version == "" || version == d.version {
		return nil
	}
	d.version = version
	if v, ok := d.w.(Versioned); ok {
		return v.SetVersion(version)
	}
	return nil
}

// versionOf is what If-Range can be asked with: a strong ETag, or the date.
func versionOf(h http.Header) string {
	if tag := h.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		return tag
	}
	return h.Get("Last-Modified")
}

func differ(a, b string) bool { return a != "" && b != "" && a != b }

// contentRange reads "bytes 5-9/10" and "bytes */10"; total is -1 when it is
// not known.
func contentRange(v string) (start, total int64, ok bool) {
	v, ok = strings.CutPrefix(strings.TrimSpace(v), "bytes ")
	if !ok {
		return 0, 0, false
	}
	span, size, ok := strings.Cut(v, "/")
	if !ok {
		return 0, 0, false
	}
	total = -1
	var err error
	if size != "*" {
		if total, err = strconv.ParseInt(size, 10, 64); err != nil || total < 0 {
			return 0, 0, false
		}
	}
	if span == "*" {
		return 0, total, true
	}
	first, _, ok := strings.Cut(span, "-")
	if start, err = strconv.ParseInt(first, 10, 64); !ok || err != nil || start < 0 {
		return 0, 0, false
	}
	return start, total, true
}
