package cmdutil

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/change"
	"github.com/edrctl/edrctl/internal/iostreams"
	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/ops"
	"github.com/edrctl/edrctl/internal/output"
	"github.com/edrctl/edrctl/internal/safetext"
)

// CallFlags say what becomes of an answer of a vendor's API.
type CallFlags struct {
	Out         string // file; "" = standard output
	Force       bool
	ShowSecrets bool
	Paginate    bool
	Max         int // records; 0 = all
}

// Add adds the flags of every command that shows an answer as it is.
func (c *CallFlags) Add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&c.Out, "output-file", "O", "", "write the answer to a file (or into a folder, under the server's name for it)")
	fs.BoolVar(&c.Force, "force", false, "let -O replace a file")
	fs.BoolVar(&c.ShowSecrets, "show-secrets", false, "show keys and passwords of the answer, masked otherwise")
}

// AddPaging adds the flags of following pages.
func (c *CallFlags) AddPaging(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVar(&c.Paginate, "paginate", false, "follow the vendor's pages to the end: one JSON array, or -o ndjson")
	fs.IntVar(&c.Max, "max", 0, "with --paginate, -o ndjson or a stream: stop after this many records")
}

// AddDanger adds --danger, the second yes that dangerous operations ask for.
func (a *ActFlags) AddDanger(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.Danger, "danger", false, "with --yes: do not ask a second time before a dangerous operation")
}

// hides gives the members to be masked.
func (c *CallFlags) hides(op backends.Operation) []string {
	if c.ShowSecrets {
		return nil
	}
	return op.Hides
}

// itemHides gives the members to be masked in a record of the answer's list:
// what is behind each * of the answer's.
func (c *CallFlags) itemHides(op backends.Operation) []string {
	var out []string
	for _, h := range c.hides(op) {
		out = append(out, h)
		for {
			_, rest, ok := strings.Cut(h, ".")
			if !ok {
				break
			}
			h = rest
			out = append(out, h)
		}
	}
	return out
}

// RunCall sends one call to one profile and shows its answer: what reads, at
// once; what changes something, by the one path of changes.
func RunCall(ctx context.Context, f *Factory, s *ops.Source, c backends.Call, flags *CallFlags, act *ActFlags) error {
	if err := f.FillSecrets(ctx, &c); err != nil {
		return err
	}
	if _, err := backends.Build(c); err != nil {
		return callHint(err, c)
	}
	if err := flags.check(f, c.Op); err != nil {
		return err
	}
	if c.Op.Mutates {
		return f.runChange(ctx, s, c, flags, act)
	}
	if act != nil && act.DryRun {
		call, err := backends.Build(c.Masked())
		if err != nil {
			return err
		}
		f.Note("%s only reads: %s %s would be sent", c.Label(), call.Method, call.Path)
		return nil
	}
	if flags.byItem(f, c.Op) {
		return f.printItems(ctx, s, c, flags)
	}
	bar := f.IO.StartProgress()
	bar.Set(safetext.Sprintf("%s: %s", s.Profile, c.Label()))
	a, err := s.Call(ctx, c)
	bar.Done()
	if err != nil {
		return err
	}
	defer func() { _ = a.Body.Close() }() // only read from
	return IgnoreClosed(f.PrintAnswer(ctx, c.Op, a, flags))
}

// callHint adds what the parameter is to an error that names one.
func callHint(err error, c backends.Call) error {
	var e *backends.Error
	if c.Op.Name == "" || !errors.As(err, &e) || e.Hint != "" {
		return err
	}
	out := *e
	out.Hint = "see edrctl api " + c.Op.Name + " --help"
	for _, p := range c.Op.Params {
		if strings.HasPrefix(e.Why, p.Name+" is missing") {
			out.Hint = fmt.Sprintf("--%s %s: %s", FlagName(p.Name), p.Type, paramHelp(p))
		}
	}
	return &out
}

// byItem tells whether the answer is shown record by record.
func (c *CallFlags) byItem(f *Factory, op backends.Operation) bool {
	return c.Paginate || f.Flags.Output == output.FormatNDJSON || op.Returns == "websocket"
}

// check refuses what cannot be shown before anything is sent.
func (c *CallFlags) check(f *Factory, op backends.Operation) error {
	text := f.Flags.JQ == "" && f.Flags.Template == ""
	switch f.Flags.Output {
	case "", output.FormatTable, output.FormatWide:
	case output.FormatJSON, output.FormatNDJSON, output.FormatYAML:
		if op.Returns == "csv" || op.Returns == "binary" {
			return Usagef("-o %s: %s answers with %s, not with JSON", f.Flags.Output, labelOf(op), op.Returns)
		}
	default:
		return Usagef("-o %s: an answer of the vendor's API is JSON: use json, ndjson or yaml", f.Flags.Output)
	}
	if c.Max < 0 {
		return Usagef("--max: want a whole number from 0")
	}
	if c.Max > 0 && !c.byItem(f, op) {
		return Usagef("--max counts records: use it with --paginate or -o ndjson")
	}
	if len(f.Flags.Columns) > 0 {
		return Usagef("--columns: an answer of the vendor's API has no columns; --jq picks from it")
	}
	if c.Paginate && (op.Returns == "csv" || op.Returns == "binary" || op.Mutates) {
		return Usagef("--paginate: %s has no pages", labelOf(op))
	}
	if !text && (op.Returns == "csv" || op.Returns == "binary") {
		return Usagef("--jq and --template work on JSON, and %s answers with %s", labelOf(op), op.Returns)
	}
	if c.Out != "" && (c.Paginate || !text || f.Flags.Output == output.FormatNDJSON) {
		return Usagef("-O keeps the answer as it is; send records elsewhere with > FILE")
	}
	if op.Returns == "binary" && c.Out == "" && f.IO.StdoutTTY() {
		u := &UsageError{Err: fmt.Errorf("%s answers with a binary file, which is not for a terminal", labelOf(op)), Hint: "-O FILE keeps it; or pipe it on"}
		return u
	}
	return c.free()
}

// free makes sure that -O names a place that can be written.
func (c *CallFlags) free() error {
	if c.Out == "" || c.Out == "-" || c.Force {
		return nil
	}
	info, err := os.Lstat(c.Out)
	if err != nil || isFolder(c.Out) {
		return nil
	}
	_ = info
	return &UsageError{Err: fmt.Errorf("-O: %s is there already", c.Out), Hint: "--force replaces it"}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// runChange takes a changing call down the one path of changes.
func (f *Factory) runChange(ctx context.Context, s *ops.Source, c backends.Call, flags *CallFlags, act *ActFlags) error {
	f.fleet = &ops.Fleet{Sources: []*ops.Source{s}}
	out := f.Flags.Output
	if out == output.FormatNDJSON && !act.DryRun {
		f.Flags.Output = output.FormatJSON
	}
	res, err := Carry(ctx, f, Order{Flags: act, Items: func(context.Context, *change.Actor) ([]change.Item, error) {
		return []change.Item{change.CallItem(s, c)}, nil
	}})
	f.Flags.Output = out
	if err != nil || res == nil {
		return err
	}
	return f.PrintCallResult(ctx, c.Op, res, flags)
}

// PrintCallResult shows the answers of changing calls, and gives the exit code.
func (f *Factory) PrintCallResult(ctx context.Context, op backends.Operation, res *change.Result, flags *CallFlags) error {
	for _, err := range res.Problems() {
		f.ReportError(err)
	}
	for _, a := range res.Skipped {
		f.Note("%s: nothing to do: %s", a.Profile, a.NativeState)
	}
	for _, a := range append(append([]*model.Action{}, res.Succeeded...), res.Pending...) {
		if len(a.Answer) == 0 {
			continue
		}
		if err := f.printActionAnswer(ctx, op, a, flags); err != nil {
			return IgnoreClosed(err)
		}
	}
	if err := Interrupted(ctx); err != nil {
		return err
	}
	return ResultCode(res, true)
}

func (f *Factory) printActionAnswer(ctx context.Context, op backends.Operation, a *model.Action, flags *CallFlags) error {
	var text string
	if op.Returns != "json" && op.Returns != "" && json.Unmarshal(a.Answer, &text) == nil {
		return f.PrintAnswer(ctx, op, &backends.Answer{ContentType: "text/plain", Body: io.NopCloser(strings.NewReader(text))}, flags)
	}
	op.Returns = "json"
	if f.Flags.Output == output.FormatNDJSON {
		value, err := output.HideIn(a.Answer, flags.hides(op))
		if err != nil {
			return err
		}
		w, err := f.Printer(ctx, kindAnswer)
		if err != nil {
			return err
		}
		if err := w.Write(&output.Document{JSON: value}); err != nil {
			return err
		}
		return w.Close()
	}
	return f.PrintAnswer(ctx, op, &backends.Answer{ContentType: "application/json", Body: io.NopCloser(bytes.NewReader(a.Answer))}, flags)
}

var kindAnswer = output.NewDocumentKind("record", "", nil, nil)

// maxWhole bounds an answer that --jq, --template and yaml need whole.
const maxWhole = 256 << 20

// PrintAnswer writes an answer as its operation and the format ask for.
func (f *Factory) PrintAnswer(ctx context.Context, op backends.Operation, a *backends.Answer, flags *CallFlags) error {
	kind := returns(op, a)
	if flags.Out != "" && flags.Out != "-" {
		return f.saveAnswer(kind, op, a, flags)
	}
	expr := f.Flags.JQ != "" || f.Flags.Template != ""
	switch kind {
	case "json":
		if expr || f.Flags.Output == output.FormatYAML {
			return f.printAll(ctx, op, a, flags)
		}
		err := output.CopyJSON(f.IO.Out, a.Body, output.Copy{Indent: f.IO.StdoutTTY(), Hide: flags.hides(op)})
		if err != nil {
			return answerError(op, err)
		}
		if f.IO.StdoutTTY() {
			return f.IO.Flush()
		}
		return nil
	case "empty":
		body, err := io.ReadAll(io.LimitReader(a.Body, 64<<10))
		if err != nil {
			return answerError(op, err)
		}
		if text := strings.TrimSpace(string(body)); text != "" {
			_, err = fmt.Fprintln(f.IO.Out, f.IO.Show(safetext.Lines(text)))
		}
		return err
	}
	if expr || f.Flags.Output == output.FormatYAML || f.Flags.Output == output.FormatJSON {
		return &backends.Error{Kind: backends.KindMalformed, What: "cannot show the answer of " + labelOf(op), Why: fmt.Sprintf("it is %s, not JSON", orUnknown(a.ContentType))}
	}
	if !f.IO.StdoutTTY() {
		return answerError(op, copyAll(f.IO.Out, a.Body))
	}
	if kind == "binary" {
		return &backends.Error{
			Kind: backends.KindInvalid, What: "the answer is not shown", Why: fmt.Sprintf("it is %s, which is not for a terminal", orUnknown(a.ContentType)),
			Hint: "-O FILE keeps it; or pipe it on",
		}
	}
	return answerError(op, output.CopyText(f.IO.Out, a.Body))
}

func orUnknown(contentType string) string {
	if contentType == "" {
		return "of an unknown type"
	}
	return contentType
}

func copyAll(w io.Writer, r io.Reader) error {
	_, err := io.Copy(w, r)
	return err
}

// returns is what an answer is: what the catalogue says, and for an operation
// that is in none what the server says.
func returns(op backends.Operation, a *backends.Answer) string {
	switch op.Returns {
	case "json", "csv", "binary", "empty":
		return op.Returns
	}
	if op.Name != "" {
		return "json"
	}
	media, _, _ := strings.Cut(strings.ToLower(a.ContentType), ";")
	media = strings.TrimSpace(media)
	switch {
	case media == "application/json" || strings.HasSuffix(media, "+json"):
		return "json"
	case strings.HasPrefix(media, "text/") || media == "":
		return "text"
	}
	return "binary"
}

// answerError names what could not be shown. What the transport says of the
// connection stays.
func answerError(op backends.Operation, err error) error {
	if err == nil || iostreams.IsBrokenPipe(err) {
		return err
	}
	what := "cannot read the answer of " + labelOf(op)
	out := backends.FromClient(what, err)
	if backends.KindOf(out) == backends.KindOther && !errors.Is(err, context.Canceled) {
		return backends.Malformed(what, "it is cut, or not the JSON it should be")
	}
	return out
}

// printAll reads the answer into memory, for what needs all of it.
func (f *Factory) printAll(ctx context.Context, op backends.Operation, a *backends.Answer, flags *CallFlags) error {
	w, err := f.Printer(ctx, kindAnswer)
	if err != nil {
		return err
	}
	var whole bytes.Buffer
	if err := output.CopyJSON(&whole, io.LimitReader(a.Body, maxWhole), output.Copy{Hide: flags.hides(op)}); err != nil {
		return answerError(op, err)
	}
	return w.One(&output.Document{JSON: whole.Bytes()})
}

// printItems writes the records of all pages as they come.
func (f *Factory) printItems(ctx context.Context, s *ops.Source, c backends.Call, flags *CallFlags) error {
	if f.Flags.Output == output.FormatTable || f.Flags.Output == output.FormatWide || f.Flags.Output == "" {
		f.Flags.Output = output.FormatJSON
		if c.Op.Returns == "websocket" {
			f.Flags.Output = output.FormatNDJSON
		}
	}
	w, err := f.Printer(ctx, kindAnswer)
	if err != nil {
		return err
	}
	hide := flags.itemHides(c.Op)
	n := 0
	for item, err := range s.Items(ctx, c) {
		if err != nil {
			if f.Flags.Output == output.FormatNDJSON {
				err = errors.Join(err, IgnoreClosed(w.Flush()))
			}
			if c.Op.Returns == "websocket" && errors.Is(err, context.DeadlineExceeded) {
				return nil // --timeout is how a script ends a stream
			}
			return err
		}
		if item, err = output.HideIn(item, hide); err != nil {
			return err
		}
		if err := w.Write(&output.Document{JSON: item}); err != nil {
			return IgnoreClosed(err)
		}
		if c.Op.Returns == "websocket" {
			if err := w.Flush(); err != nil {
				return IgnoreClosed(err)
			}
		}
		if n++; flags.Max > 0 && n >= flags.Max {
			break
		}
	}
	return IgnoreClosed(w.Close())
}

// saveAnswer writes an answer to a file: whole or not at all, and not over
// another one unless that was asked for.
func (f *Factory) saveAnswer(kind string, op backends.Operation, a *backends.Answer, flags *CallFlags) error {
	target := flags.Out
	if isFolder(target) {
		name := safetext.FileName(a.FileName)
		if a.FileName == "" {
			return Usagef("-O: %s is a folder, and the server names no file: write -O %s/NAME", target, strings.TrimRight(target, "/"))
		}
		target = filepath.Join(target, name)
	}
	tmp, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*.part")
	if err != nil {
		return Usagef("-O: %w", err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // gone already when all went well
	sum := sha256.New()
	count := &counter{}
	w := io.MultiWriter(tmp, sum, count)
	if kind == "json" {
		err = output.CopyJSON(w, a.Body, output.Copy{Hide: flags.hides(op)})
	} else {
		err = copyAll(w, a.Body)
	}
	if err != nil {
		_ = tmp.Close() // the first error is the one to tell
		return answerError(op, err)
	}
	if err := errors.Join(tmp.Chmod(0o600), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("cannot write %s: %w", target, err)
	}
	if flags.Force {
		err = os.Rename(tmp.Name(), target)
	} else {
		err = nameOnce(tmp.Name(), target)
	}
	if err != nil {
		return fmt.Errorf("cannot write %s: %w", target, err)
	}
	f.Note("%s: %d bytes, sha256 %s", target, count.n, hex.EncodeToString(sum.Sum(nil)))
	return nil
}

// nameOnce gives a file its name unless another has it. A file system without
// hard links is asked first.
func nameOnce(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, os.ErrExist) {
		return err
	}
	if _, serr := os.Lstat(to); serr == nil {
		return os.ErrExist
	}
	return os.Rename(from, to)
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
