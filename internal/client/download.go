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

// Download copies the body of a call to w, beginning at offset of the file,
// and goes on by itself after a lost connection as long as each try brings
// something. n is what was written in this call.
//
// resumed tells that the server began at offset. When it sends the whole file
// instead, w is emptied and gets all of it if it can be (an *os.File can);
// otherwise the error is ErrRestart. A file that already ends at offset is
// n = 0, resumed = true. Errors are those of Open, and those of w as they are.
func (c *Client) Download(ctx context.Context, call Call, offset int64, w io.Writer) (n int64, resumed bool, err error) {
	if offset < 0 {
		return 0, false, fmt.Errorf("download: offset %d", offset)
	}
	at := c.where(call)
	resumed = offset > 0
	begin := offset
	tag := "" // of the file the first part came from
	for failures := 0; ; {
		got, whole, newTag, err := c.part(ctx, call, at, begin+n, tag, w)
		if whole && begin+n > 0 {
			begin, n, resumed = 0, 0, false
		}
		n += got
		if newTag != "" {
			tag = newTag
		}
		if err == nil {
			return n, resumed, nil
		}
		if got > 0 {
			failures = 0
		}
		failures++
		var te *TransportError
		var me *MalformedError
		broken := errors.As(err, &te) && !isTimeout(te) || errors.As(err, &me) && errors.Is(me, io.ErrUnexpectedEOF)
		if !broken || got == 0 || failures >= maxTries || at.acts || ctx.Err() != nil {
			return n, resumed, err
		}
		if serr := c.sleep(ctx, c.backoff.delay(failures)); serr != nil {
			return n, resumed, at.transport(serr, true)
		}
	}
}

// part asks for the file from offset and copies what comes. whole tells that
// the server began at 0.
func (c *Client) part(ctx context.Context, call Call, at where, offset int64, tag string, w io.Writer) (n int64, whole bool, newTag string, err error) {
	call.Header = cloneHeader(call.Header)
	call.Header.Set("Accept-Encoding", "identity") // offsets count the file's bytes
	if offset > 0 {
		call.Header.Set("Range", "bytes="+strconv.FormatInt(offset, 10)+"-")
		if tag != "" {
			call.Header.Set("If-Range", tag)
		}
	}
	s, err := c.Open(ctx, call)
	var se *StatusError
	if offset > 0 && errors.As(err, &se) && se.Code == http.StatusRequestedRangeNotSatisfiable {
		if _, total, ok := contentRange(se.Header.Get("Content-Range")); ok && total == offset {
			return 0, false, "", nil
		}
		return 0, false, "", err
	}
	if err != nil {
		return 0, false, "", err
	}
	defer s.Body.Close()
	newTag = s.Header.Get("ETag")
	if strings.HasPrefix(newTag, "W/") || newTag == "" {
		newTag = s.Header.Get("Last-Modified")
	}
	switch {
	case s.Status == http.StatusPartialContent && offset > 0:
		start, _, ok := contentRange(s.Header.Get("Content-Range"))
		if !ok || start != offset {
			return 0, false, "", at.malformed("it sends another part of the file than was asked for", nil)
		}
	case s.Status == http.StatusPartialContent:
		return 0, false, "", at.malformed("it sends a part of the file, and the whole was asked for", nil)
	case offset > 0:
		r, ok := w.(restarter)
		if !ok {
			return 0, false, "", ErrRestart
		}
		if err := r.Truncate(0); err != nil {
			return 0, false, "", err
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			return 0, false, "", err
		}
		whole = true
	}
	n, err = io.Copy(w, s.Body)
	return n, whole, newTag, err
}

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
