package backends

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/edrctl/edrctl/internal/client"
	"github.com/edrctl/edrctl/internal/model"
)

// ApplyCall carries out the change that a Call is, for drivers that have
// nothing to do around it: send is asked once, with the request Build made,
// and its answer is kept whole.
func ApplyCall(ctx context.Context, c Change, now func() time.Time, update func(*model.Action),
	send func(ctx context.Context, call client.Call) (*client.Reply, error)) (*model.Action, error) {
	act := &model.Action{Verb: VerbCall, State: model.ActionQueued, Details: map[string]string{}}
	what := "cannot call " + c.Call.Label()
	call, err := Build(*c.Call)
	if err != nil {
		return nil, err
	}
	act.Target = &model.ActionTarget{Name: c.Call.Label()}
	act.State, act.RequestedAt = model.ActionSent, model.At(now())
	tell := func() {
		if update != nil {
			copied := *act
			update(&copied)
		}
	}
	tell()
	reply, err := send(ctx, call)
	if reply != nil {
		act.Answer = AnswerJSON(reply.Body)
	}
	if err != nil {
		err = FromClient(what, err)
		act.State = model.ActionFailed
		if KindOf(err) == KindAmbiguous {
			act.State = model.ActionAmbiguous
		}
		act.Error = err.Error()
		tell()
		return act, err
	}
	act.State, act.FinishedAt = model.ActionDone, model.At(now())
	act.NativeState = fmt.Sprintf("%d %s", reply.Status, http.StatusText(reply.Status))
	act.Details["note"] = "the server accepted the call; its effect was not checked"
	tell()
	return act, nil
}

// AnswerJSON is a body as Action.Answer keeps it: JSON as it is, other text
// as a string, nothing as nil.
func AnswerJSON(body []byte) json.RawMessage {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if len(body) == 0 {
		return nil
	}
	if json.Valid(body) {
		return json.RawMessage(body)
	}
	text, err := json.Marshal(strings.ToValidUTF8(string(body), "\uFFFD"))
	if err != nil {
		return nil
	}
	return text
}

// AnswerOf is an open answer as Call gives it.
func AnswerOf(s *client.Stream) *Answer {
	a := &Answer{Status: s.Status, ContentType: s.Header.Get("Content-Type"), Body: s.Body}
	if _, params, err := mime.ParseMediaType(s.Header.Get("Content-Disposition")); err == nil {
		name := path.Base(strings.ReplaceAll(params["filename"], `\`, "/"))
		if name != "." && name != "/" && name != ".." {
			a.FileName = name
		}
	}
	return a
}

// maxDocument bounds an answer that is taken as one object.
const maxDocument = 64 << 20

// Records gives the records of one answer: the elements of the list at the
// dotted path, or, when list is "-", those of an array and otherwise the one
// value there is. What is cut or no JSON ends them with an error.
func Records(body io.Reader, list string, other func(name string, value []byte) error) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		if list == "-" {
			head, rest, err := firstByte(body)
			if err != nil {
				yield(nil, err)
				return
			}
			if head != '[' {
				one(rest, yield)
				return
			}
			body, list = rest, ""
		}
		for b, err := range client.Array(body, list, other) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// one gives a document as its only record.
func one(r io.Reader, yield func(json.RawMessage, error) bool) {
	b, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	switch {
	case err != nil:
	case len(b) > maxDocument:
		err = Malformed("", fmt.Sprintf("the answer has more than %d MiB", maxDocument>>20))
	case len(bytes.TrimSpace(b)) == 0:
		return
	case !json.Valid(b):
		err = Malformed("", "the answer is cut, or not the JSON it should be")
	}
	if err != nil {
		yield(nil, err)
		return
	}
	yield(bytes.TrimSpace(b), nil)
}

// firstByte gives the first byte that is not a white space, and all of it to read.
func firstByte(r io.Reader) (byte, io.Reader, error) {
	buf := make([]byte, 0, 64)
	for {
		if len(buf) == cap(buf) {
			return 0, nil, Malformed("", "the answer begins with nothing but blanks")
		}
		n, err := r.Read(buf[len(buf) : len(buf)+1])
		buf = buf[:len(buf)+n]
		if n > 0 {
			switch c := buf[len(buf)-1]; c {
			case ' ', '\t', '\r', '\n':
			default:
				return c, struct {
					io.Reader
				}{io.MultiReader(bytes.NewReader([]byte{c}), r)}, nil
			}
		}
		if errors.Is(err, io.EOF) {
			return 0, bytes.NewReader(nil), nil
		}
		if err != nil {
			return 0, nil, err
		}
	}
}
