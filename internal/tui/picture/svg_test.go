package picture_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/edrctl/edrctl/internal/tui"
	"github.com/edrctl/edrctl/internal/tui/picture"
	"github.com/edrctl/edrctl/internal/tui/tuitest"
)

// wellFormed reads a picture as XML and gives its texts.
func wellFormed(t *testing.T, svg string) (texts []string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	in := false
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, svg)
		}
		switch x := tok.(type) {
		case xml.StartElement:
			in = x.Name.Local == "text"
		case xml.EndElement:
			in = false
		case xml.CharData:
			if in {
				texts = append(texts, string(x))
			}
		}
	}
}

func TestSVG(t *testing.T) {
	for _, tc := range []struct {
		name, frame string
		has, lacks  []string
	}{
		{"words stand in their cells", "ab   cd", []string{`x="12" y="55.4" textLength="16.8" lengthAdjust="spacingAndGlyphs">ab<`, `x="54" y="55.4"`}, []string{"ab   cd"}},
		{"true colour, bold", "\x1b[1;38;2;255;106;193mCRIT\x1b[m ok", []string{".c0{fill:#ff6ac1}", `class="c0 b"`, ">CRIT<", `class="c1"`}, []string{"\x1b"}},
		{"sixteen colours", "\x1b[91mred\x1b[39m \x1b[44mblue\x1b[49m", []string{"#ff7b72", "#61afef"}, nil},
		{"inverted", "\x1b[7mx\x1b[m", []string{"<rect class", "#14181f", "#d7dce5"}, nil},
		{"a rule is one shape", strings.Repeat("─", 120), []string{"<path", "h1008"}, []string{">─"}},
		{"a bar is one shape", "▇▇▇", []string{"<path", "h25.3"}, []string{">▇"}},
		{"corners and branches", "╭╮╰╯├└│", []string{"<path"}, []string{"├", "╭"}},
		{"wide signs take two cells", "日x", []string{`textLength="16.8" lengthAdjust="spacingAndGlyphs">日<`, `x="28.8"`}, nil},
		{"markup is text", "<script>&", []string{"&lt;script&gt;&amp;"}, []string{"<script"}},
		{"nothing", "", nil, []string{"NaN"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := picture.SVG(tc.frame, "a <title>")
			wellFormed(t, got)
			for _, s := range tc.has {
				if !strings.Contains(got, s) {
					t.Errorf("no %q in\n%s", s, got)
				}
			}
			for _, s := range tc.lacks {
				if strings.Contains(got, s) {
					t.Errorf("%q in\n%s", s, got)
				}
			}
		})
	}
}

// A session runs without a terminal, and the same data draw the same picture.
func TestSession(t *testing.T) {
	var first string
	for range 2 {
		light := false
		s, err := picture.Open(t.Context(), tui.Options{Service: tuitest.Shift(), Zone: time.UTC, Light: &light, Now: func() time.Time { return tuitest.Now }}, 100, 24)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Press("j", "enter"); err != nil {
			t.Fatal(err)
		}
		svg := picture.SVG(s.Frame(), "x")
		s.Close()
		if text := strings.Join(wellFormed(t, svg), " "); !strings.Contains(text, "powershell.exe injected into spoolsv") {
			t.Fatalf("not the alert: %s", text)
		}
		if first == "" {
			first = svg
		} else if svg != first {
			t.Error("the second picture is another")
		}
	}
}
