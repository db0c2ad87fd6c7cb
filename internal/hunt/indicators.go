package hunt

import (
	"io"

	"github.com/edrctl/edrctl/internal/ioc"
)

// ReadIndicators reads indicators from a text in any form a hunt takes; name
// says in its problems where they are. Problems are the lines that are none.
func ReadIndicators(r io.Reader, name string) (list *ioc.List, problems []string, err error) {
	list = ioc.NewList()
	if err := list.Read(r, name); err != nil {
		return nil, nil, err
	}
	for _, p := range list.Unread {
		problems = append(problems, p.String())
	}
	return list, problems, nil
}
