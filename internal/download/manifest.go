package download

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/edrctl/edrctl/internal/model"
	"github.com/edrctl/edrctl/internal/safetext"
)

// ManifestFormat names the form of a manifest.
const ManifestFormat = "edrctl-carve/1"

// Manifest is the file next to a collected one, FILE.json: where it
// comes from, who brought it here, and how to tell that it is unchanged.
type Manifest struct {
	Format     string            `json:"format"`
	File       string            `json:"file"` // next to the manifest
	Name       string            `json:"name"` // as the endpoint or server calls it
	Size       int64             `json:"size"` // of the collected file, also when it is kept in a zip
	Hashes     Hashes            `json:"hashes"`
	Carve      string            `json:"carve"` // its reference
	Profile    string            `json:"profile"`
	Backend    string            `json:"backend"`
	Server     string            `json:"server,omitempty"`
	Host       string            `json:"host,omitempty"`
	HostID     string            `json:"host_id,omitempty"`
	Path       string            `json:"path,omitempty"` // on the endpoint
	Action     string            `json:"action,omitempty"`
	RequestIDs []string          `json:"request_ids,omitempty"`
	Requested  model.Time        `json:"requested,omitzero"`
	Downloaded model.Time        `json:"downloaded"`
	User       string            `json:"user,omitempty"`
	Machine    string            `json:"machine,omitempty"`
	Case       string            `json:"case,omitempty"`
	Version    string            `json:"edrctl,omitempty"`
	Announced  *Hashes           `json:"announced,omitempty"` // the vendor's hashes, compared with
	Zip        *Zip              `json:"zip,omitempty"`
	Extra      map[string]string `json:"extra,omitempty"`
}

// Zip is the archive that File is, when the collected file is kept in one.
type Zip struct {
	Encryption string `json:"encryption"`
	Member     string `json:"member"`
	Size       int64  `json:"size"`
	SHA256     string `json:"sha256"`
}

func (s *saver) writeManifest(m Manifest) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	name, tmp := s.final()+".json", s.final()+".json.part"
	if err := s.root.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := s.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.publish(tmp, name)
	}
	return err
}

// Verdict is what Verify found of one file.
type Verdict struct {
	Manifest string `json:"manifest"`
	File     string `json:"file,omitempty"`
	OK       bool   `json:"ok"`
	Why      string `json:"why,omitempty"`
	Carve    string `json:"carve,omitempty"`
	Host     string `json:"host,omitempty"`
	Path     string `json:"path,omitempty"`
	Size     int64  `json:"size,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
}

// maxManifest bounds a manifest.
const maxManifest = 1 << 20

// Verify checks a file against its manifest; path names either. The error is
// for what cannot be read at all.
func Verify(ctx context.Context, path string) (*Verdict, error) {
	if !strings.HasSuffix(path, ".json") {
		path += ".json"
	}
	m, err := ReadManifest(path)
	if err != nil {
		return nil, err
	}
	v := &Verdict{Manifest: path, File: filepath.Join(filepath.Dir(path), m.File), Carve: m.Carve, Host: m.Host, Path: m.Path, Size: m.Size, SHA256: m.Hashes.SHA256}
	if v.Why, err = m.compare(ctx, filepath.Dir(path)); err != nil {
		return nil, err
	}
	v.OK = v.Why == ""
	return v, nil
}

// ErrNoManifest is a JSON file that is something else.
var ErrNoManifest = errors.New("not a manifest of a collected file")

// ReadManifest reads a manifest.
func ReadManifest(path string) (*Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, err
	}
	return parseManifest(b)
}

func parseManifest(b []byte) (*Manifest, error) {
	var m Manifest
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&m); err != nil || m.Format != ManifestFormat {
		return nil, ErrNoManifest
	}
	if m.File == "" || m.File != safetext.FileName(m.File) {
		return nil, fmt.Errorf("%w: it names a file outside its folder", ErrNoManifest)
	}
	return &m, nil
}

// compare says what is wrong with the file, "" when it is as it was.
func (m *Manifest) compare(ctx context.Context, dir string) (string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	f, err := root.Open(m.File)
	if errors.Is(err, fs.ErrNotExist) {
		return "the file is not there", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	if m.Zip != nil {
		sum := sha256.New()
		n, err := io.Copy(sum, &ctxReader{ctx, f})
		switch got := hex.EncodeToString(sum.Sum(nil)); {
		case err != nil:
			return "", err
		case n != m.Zip.Size:
			return fmt.Sprintf("the zip has %d bytes, not %d", n, m.Zip.Size), nil
		case got != m.Zip.SHA256:
			return fmt.Sprintf("the sha256 of the zip is %s, not %s", got, m.Zip.SHA256), nil
		}
		return "", nil
	}
	sums, n, err := HashAll(ctx, f)
	if err != nil {
		return "", err
	}
	if n != m.Size {
		return fmt.Sprintf("it has %d bytes, not %d", n, m.Size), nil
	}
	if m.Hashes.SHA256 == "" {
		return "the manifest has no sha256", nil
	}
	if name, want, got := m.Hashes.differs(sums); name != "" {
		return fmt.Sprintf("its %s is %s, not %s", name, got, want), nil
	}
	return "", nil
}

// Manifests lists the manifests in a folder.
func Manifests(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range list {
		if !e.Type().IsRegular() || !strings.HasSuffix(e.Name(), ".json") || strings.HasSuffix(e.Name(), ".part.json") {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if _, err := ReadManifest(path); err == nil {
			out = append(out, path)
		}
	}
	return out, nil
}
