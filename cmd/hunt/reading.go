package hunt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/edrctl/edrctl/cmd/cmdutil"
	"github.com/edrctl/edrctl/internal/ioc"
	"github.com/edrctl/edrctl/internal/model"
)

// shownUnread is up to how many texts that gave nothing are named one by one.
const shownUnread = 20

// reading is what came of the files.
type reading struct {
	list    *ioc.List
	refused []error // files that are not lists, or could not be read
}

// read reads the files and reports what was understood. onUnread may be nil.
func (h *iocFlags) read(f *cmdutil.Factory, names []string, onUnread func(ioc.Unread)) (*reading, error) {
	r := &reading{list: ioc.NewList()}
	r.list.Options = ioc.Options{Text: h.text, AllAttributes: h.allAttributes, OnUnread: onUnread}
	files, indexes, err := expand(names)
	if err != nil {
		return nil, err
	}
	for _, name := range indexes {
		f.Note("%s: an index of a MISP feed, which names its events: not read", name)
	}
	for _, name := range files {
		if err := r.file(f, name); err != nil {
			return nil, err
		}
	}
	if len(r.refused) > 0 && (len(files) == 1 || r.list.Len() == 0 && len(r.list.Unread) == 0) {
		return nil, r.onlyRefused()
	}
	for _, err := range r.refused {
		f.Warn("%s", notice(err))
	}
	if err := h.report(f, r.list); err != nil {
		return nil, err
	}
	return r, nil
}

// file reads one file. Only what cannot be opened ends the command.
func (r *reading) file(f *cmdutil.Factory, name string) error {
	in, err := f.ReadInput(name)
	if err != nil {
		return err
	}
	shown := name
	if name == "-" {
		shown = "standard input"
	}
	if err := errors.Join(r.list.Read(in, shown), in.Close()); err != nil {
		r.refused = append(r.refused, err)
	}
	return nil
}

// expand puts the files of folders in their place, in the order of their
// names; those that begin with a dot are left out. The indexes of a MISP feed
// are given apart: its manifest has no values, and its hashes.csv has hashes of
// values, which look like those of files.
func expand(names []string) (out, indexes []string, err error) {
	for _, name := range names {
		info, err := os.Stat(name)
		if name == "-" || err != nil || !info.IsDir() {
			out = append(out, name)
			continue
		}
		err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.Name() != "." && strings.HasPrefix(d.Name(), ".") && path != name:
				if d.IsDir() {
					return fs.SkipDir
				}
			case (d.Name() == "manifest.json" || d.Name() == "hashes.csv") && isFeed(filepath.Dir(path)):
				indexes = append(indexes, path)
			case d.Type().IsRegular():
				out = append(out, path)
			}
			return nil
		})
		if err != nil {
			return nil, nil, cmdutil.Usagef("cannot read %s: %w", name, err)
		}
	}
	return out, indexes, nil
}

// isFeed tells the folder of a MISP feed by its manifest.
func isFeed(folder string) bool {
	in, err := os.Open(filepath.Join(folder, "manifest.json")) // #nosec G304 -- below a folder that the user names
	if err != nil {
		return false
	}
	defer func() { _ = in.Close() }()
	head, err := io.ReadAll(io.LimitReader(in, 1<<16))
	return err == nil && bytes.Contains(head, []byte(`"Orgc"`)) && !bytes.Contains(head, []byte(`"Attribute"`))
}

// notice is a refusal with what to do, on one line.
func notice(err error) string {
	if no, ok := isRefused(err); ok && no.Do != "" {
		return fmt.Sprintf("%v: %s", err, no.Do)
	}
	return err.Error()
}

// onlyRefused is the error when nothing else was given.
func (r *reading) onlyRefused() error {
	err := &cmdutil.UsageError{Err: r.refused[0]}
	if no, ok := isRefused(r.refused[0]); ok {
		err.Hint = no.Do
	}
	for _, more := range r.refused[1:] {
		err.Err = errors.Join(err.Err, more)
	}
	return err
}

// partial is exit 3 when a file was left out.
func (r *reading) partial() error {
	if len(r.refused) == 0 {
		return nil
	}
	return &cmdutil.ExitError{Code: cmdutil.ExitPartial}
}

// nothingToHunt says why no indicator is left.
func (r *reading) nothingToHunt() error {
	common, other := 0, 0
	for _, i := range r.list.All() {
		switch {
		case r.list.Refused(i): // said with the reason
		case i.Common:
			common++
		default:
			other++
		}
	}
	switch {
	case common > 0:
		return &cmdutil.UsageError{Err: fmt.Errorf("no indicators to hunt: %s", model.Amount(common, "is common", "are common")), Hint: "--common hunts them too"}
	case other > 0:
		return cmdutil.Usagef("no indicators to hunt: %s, which no event carries", model.Amount(other, "cannot be hunted", "cannot be hunted"))
	}
	return &cmdutil.UsageError{Err: errors.New("no indicators to hunt: the files hold none that edrctl understands"), Hint: "edrctl hunt ioc --list --unread FILE shows the text that was not understood; --text searches prose"}
}

// report says on stderr what was understood and what was not; with --strict
// what was not is an error.
func (h *iocFlags) report(f *cmdutil.Factory, l *ioc.List) error {
	if h.strict && len(l.Unread) > 0 {
		return cmdutil.Usagef("%s", l.Unread[0])
	}
	unread := 0
	for _, n := range l.UnreadBy {
		unread += n
	}
	if unread <= shownUnread && !h.unread {
		for _, u := range l.Unread {
			f.Warn("%s", u)
		}
	}
	for _, r := range l.Reports {
		if r.Format != "refused" && len(l.Reports) <= shownUnread {
			f.Note("%s", fileLine(r))
		}
	}
	f.Note("%s", typesLine(l, h.common))
	if unread > shownUnread && !h.unread {
		f.Warn("%s", unreadLine(l, unread))
	}
	return nil
}

// fileLine says what one file gave.
func fileLine(r ioc.Report) string {
	unit := r.Unit
	if r.Total == 1 {
		unit = strings.TrimSuffix(unit, "s")
	}
	line := fmt.Sprintf("%s: %s, %d %s: %d understood", r.Name, r.Format, r.Total, unit, r.Understood)
	if n := r.Skipped - r.References; n > 0 {
		line += fmt.Sprintf(", %d blank, comments or headings", n)
	}
	if r.References > 0 {
		line += fmt.Sprintf(", %d links to reports", r.References)
	}
	if r.Unread > 0 {
		line += fmt.Sprintf(", %d not understood", r.Unread)
	}
	return line
}

// typesLine counts the indicators by type.
func typesLine(l *ioc.List, withCommon bool) string {
	hunted, not := map[ioc.Type]int{}, map[ioc.Type]int{}
	common, refused := 0, 0
	for _, i := range l.All() {
		switch {
		case l.Refused(i):
			refused++
		case !i.Type.Huntable():
			not[i.Type]++
		case i.Common && !withCommon:
			common++
		default:
			hunted[i.Type]++
		}
	}
	line := "indicators: " + counts(hunted)
	if len(not) > 0 {
		line += "; not huntable: " + counts(not)
	}
	if refused > 0 {
		line += fmt.Sprintf("; %d only in patterns that cannot be hunted", refused)
	}
	if common > 0 {
		line += fmt.Sprintf("; %d common, left out (--common hunts them)", common)
	}
	if l.Duplicates > 0 {
		line += fmt.Sprintf("; %d listed more than once", l.Duplicates)
	}
	return line
}

func counts(by map[ioc.Type]int) string {
	var parts []string
	for _, t := range ioc.AllTypes {
		if n := by[t]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, t))
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// unreadLine counts what was not understood, by reason, the commonest first.
func unreadLine(l *ioc.List, total int) string {
	reasons := make([]string, 0, len(l.UnreadBy))
	for why := range l.UnreadBy {
		reasons = append(reasons, why)
	}
	slices.SortFunc(reasons, func(a, b string) int {
		if d := l.UnreadBy[b] - l.UnreadBy[a]; d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	const most = 5
	var parts []string
	for i, why := range reasons {
		if i == most {
			parts = append(parts, "…")
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s", l.UnreadBy[why], why))
	}
	return fmt.Sprintf("%d not understood: %s (--list --unread shows them)", total, strings.Join(parts, "; "))
}
