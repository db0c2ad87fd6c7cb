package rules_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/backends"
	"github.com/edrctl/edrctl/internal/backends/esp/rules"
)

func TestParseQuery(t *testing.T) {
	for q, ok := range map[string]bool{
		"win_file_events": true, "": true,
		`{"condition":"and","rules":[{"field":"md5","operator":"equal","value":"x"}]}`:                     true,
		`{"condition":"AND","rules":[{"condition":"OR","rules":[{"field":"md5","operator":"is_empty"}]}]}`: true,
		`{"condition":"AND","rules":[{"field":"path","operator":"equal","value":"x"}]}`:                    false,
		`{"condition":"AND","rules":[{"field":"md5","operator":"begins_with","value":"x"}]}`:               false,
		`{"condition":"AND","rules":[{"field":"md5","operator":"greater","value":"1"}]}`:                   false,
		`{"condition":"AND","rules":[]}`: false, `{"condition":"XOR","rules":[1]}`: false, `{`: false, "select 1": false, "a'b": false,
	} {
		if _, err := rules.ParseQuery(q); (err == nil) != ok || err != nil && backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%s: %v", q, err)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add(`{"condition":"AND","rules":[{"field":"md5","operator":"equal","value":"x"}]}`)
	f.Add("win_file_events")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := rules.ParseQuery(s); err != nil && backends.KindOf(err) != backends.KindInvalid {
			t.Errorf("%q: %v", s, err)
		}
	})
}
