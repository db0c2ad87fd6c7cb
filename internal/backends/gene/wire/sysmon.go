package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// SysmonVersion checks that text is a whole Sysmon configuration, and gives
// its schemaversion.
func SysmonVersion(text []byte) (string, error) {
	dec := xml.NewDecoder(bytes.NewReader(text))
	version, depth := "", 0
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", fmt.Errorf("it is not a whole XML document: %w", err)
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth++; depth > 1 || version != "" {
				continue
			}
			if t.Name.Local != "Sysmon" {
				return "", fmt.Errorf("its root is %s, not Sysmon", t.Name.Local)
			}
			for _, a := range t.Attr {
				if a.Name.Local == "schemaversion" {
					version = a.Value
				}
			}
			if version == "" {
				return "", errors.New("its root has no schemaversion")
			}
		case xml.EndElement:
			depth--
		}
	}
	if version == "" {
		return "", errors.New("it holds no Sysmon element")
	}
	return version, nil
}
