package ioc

import "io"

// commaFixer drops commas in front of a closing bracket: published events have
// them, and JSON does not allow them.
type commaFixer struct {
	src     io.Reader
	inText  bool
	escaped bool
	held    []byte // a comma and the blanks behind it
	out     []byte
	err     error
}

func (c *commaFixer) Read(p []byte) (int, error) {
	var buf [4096]byte
	for len(c.out) == 0 && c.err == nil {
		n, err := c.src.Read(buf[:])
		for _, b := range buf[:n] {
			c.next(b)
		}
		if c.err = err; err != nil {
			c.out = append(c.out, c.held...)
			c.held = nil
		}
	}
	n := copy(p, c.out)
	c.out = c.out[n:]
	if n == 0 {
		return 0, c.err
	}
	return n, nil
}

func (c *commaFixer) next(b byte) {
	switch {
	case c.inText:
		c.inText = c.escaped || b != '"'
		c.escaped = !c.escaped && b == '\\'
		c.out = append(c.out, b)
		return
	case len(c.held) > 0 && (b == ' ' || b == '\n' || b == '\r' || b == '\t') && len(c.held) < 4096:
		c.held = append(c.held, b)
		return
	case len(c.held) > 0:
		if b == ']' || b == '}' {
			c.held[0] = ' '
		}
		c.out = append(c.out, c.held...)
		c.held = c.held[:0]
	}
	if b == ',' {
		c.held = append(c.held, b)
		return
	}
	c.inText = b == '"'
	c.out = append(c.out, b)
}
