package flex_test

import (
	"encoding/json"
	"testing"

	"github.com/edrctl/edrctl/internal/client/flex"
)

type all struct {
	S flex.String
	I flex.Int
	F flex.Float
	B flex.Bool
}

func TestConversions(t *testing.T) {
	tests := []struct {
		in  string
		s   string
		i   int64
		f   float64
		b   bool
		bad string // letters of the types that refuse it
	}{
		{in: `null`},
		{in: `""`},
		{in: `" "`, s: " "},
		{in: `12`, s: "12", i: 12, f: 12, b: true},
		{in: `"12"`, s: "12", i: 12, f: 12, b: true},
		{in: `" 12 "`, s: " 12 ", i: 12, f: 12, b: true},
		{in: `0`, s: "0"},
		{in: `"0"`, s: "0"},
		{in: `-3`, s: "-3", i: -3, f: -3, b: true},
		{in: `1.5`, s: "1.5", i: 1, f: 1.5, b: true},
		{in: `"1.50"`, s: "1.50", i: 1, f: 1.5, b: true},
		{in: `1e3`, s: "1e3", i: 1000, f: 1000, b: true},
		{in: `1637.0`, s: "1637.0", i: 1637, f: 1637, b: true},
		{in: `9007199254740993`, s: "9007199254740993", i: 9007199254740993, f: 9007199254740992, b: true},
		{in: `"9223372036854775807"`, s: "9223372036854775807", i: 9223372036854775807, f: 9223372036854775807, b: true},
		{in: `18446744073709551615`, s: "18446744073709551615", f: 18446744073709551615, b: true, bad: "I"},
		{in: `true`, s: "true", i: 1, f: 1, b: true},
		{in: `false`, s: "false"},
		{in: `"True"`, s: "True", i: 1, f: 1, b: true},
		{in: `"no"`, s: "no", bad: "IF"},
		{in: `"yes"`, s: "yes", b: true, bad: "IF"},
		{in: `"text"`, s: "text", bad: "IFB"},
		{in: `"NaN"`, s: "NaN", bad: "IFB"},
		{in: `"0x10"`, s: "0x10", bad: "IFB"},
		{in: `"1_000"`, s: "1_000", bad: "IFB"},
		{in: `{}`, bad: "SIFB"},
		{in: `[1]`, bad: "SIFB"},
	}
	for _, tt := range tests {
		var got all
		check := func(letter string, err error, same bool) {
			t.Helper()
			bad := false
			for _, l := range tt.bad {
				bad = bad || string(l) == letter
			}
			if bad != (err != nil) || !bad && !same {
				t.Errorf("%s as %s: %+v, %v", tt.in, letter, got, err)
			}
		}
		err := json.Unmarshal([]byte(tt.in), &got.S)
		check("S", err, string(got.S) == tt.s)
		err = json.Unmarshal([]byte(tt.in), &got.I)
		check("I", err, int64(got.I) == tt.i)
		err = json.Unmarshal([]byte(tt.in), &got.F)
		check("F", err, float64(got.F) == tt.f)
		err = json.Unmarshal([]byte(tt.in), &got.B)
		check("B", err, bool(got.B) == tt.b)
	}
}

func TestNullResets(t *testing.T) {
	v := all{"x", 1, 1, true}
	if err := json.Unmarshal([]byte(`{"S":null,"I":null,"F":null,"B":null}`), &v); err != nil || v != (all{}) {
		t.Errorf("%+v %v", v, err)
	}
}

func FuzzFlex(f *testing.F) {
	for _, s := range []string{`{"S":1,"I":"2","F":true,"B":"no"}`, `{"S":"\ud800","I":1e400}`, `{"F":"-."}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var v, again all
		if json.Unmarshal(b, &v) != nil {
			return
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(out, &again); err != nil || again != v {
			t.Fatalf("%s: %+v became %+v, %v", b, v, again, err)
		}
	})
}
