package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// YAMLToJSON reads one YAML document, as people write what is to be sent.
// Several documents, keys that are not text and what JSON cannot say are errors.
func YAMLToJSON(text []byte) (out []byte, err error) {
	defer func() {
		if r := recover(); r != nil { // the reader of YAML panics on some input
			out, err = nil, errors.New("it is not YAML")
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var v any
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("it is not YAML: %w", err)
	}
	var more any
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, errors.New("it holds more than one YAML document")
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("it holds what JSON cannot say: %w", err)
	}
	return bytes.TrimSpace(b.Bytes()), nil
}
