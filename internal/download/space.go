package download

import (
	"errors"
	"fmt"
)

// ErrNoRoom is a file that does not fit on the disk. Nothing was downloaded.
var ErrNoRoom = errors.New("the disk has not enough room")

// spare is left free.
const spare = 16 << 20

// room tells whether need more bytes fit in dir.
func room(dir string, need int64) error {
	have, ok := free(dir)
	if !ok || need <= 0 || uint64(need)+spare <= have {
		return nil
	}
	return fmt.Errorf("%w: %d MiB are needed in %s, %d MiB are free", ErrNoRoom, (need+spare)>>20, dir, have>>20)
}
