package wire

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

// FuzzEnvelope: an answer is data, an error, or malformed; never a panic.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"data":[1],"message":"OK","error":""}`))
	f.Add([]byte(`{"data":null,"message":"NOK","error":"x"}{"data":{},"message":"OK","error":""}`))
	f.Add([]byte(`{"data":{"key":"secret","a":{"endpoint-key":"secret"}},"message":"","error":""}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		data, err := DecodeEnvelope(body)
		if err != nil || len(data) == 0 {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q", data)
		}
		if clean := WithoutSecrets(data); clean != nil && !json.Valid(clean) {
			t.Fatalf("%q became %q", data, clean)
		}
	})
}

func TestTwoEnvelopes(t *testing.T) {
	_, err := DecodeEnvelope([]byte(`{"data":null,"message":"NOK","error":"Failed to reload engine"}{"data":{"rule-count":1},"message":"OK","error":""}`))
	if !errors.As(err, new(*AnswerError)) {
		t.Errorf("an error and stats: %v", err)
	}
	_, err = DecodeEnvelope([]byte(`{"data":{"rule-count":1},"message":"OK","error":""}{"data":null,"message":"NOK","error":"late"}`))
	if !errors.As(err, new(*AnswerError)) {
		t.Errorf("stats and an error: %v", err)
	}
}

func TestSecretsAreLeftOut(t *testing.T) {
	in := `{"uuid":"u","key":"sEcReT","config":{"forwarder":{"manager":{"endpoint-key":"sEcReT"}}},"list":[{"Key":"sEcReT","a":1.50}],"n":9223372036854775808}`
	out := string(WithoutSecrets([]byte(in)))
	if strings.Contains(out, "sEcReT") || !strings.Contains(out, `"n":9223372036854775808`) || !strings.Contains(out, "1.50") || !json.Valid([]byte(out)) {
		t.Error(out)
	}
}
