package cmdutil

import (
	"github.com/edrctl/edrctl/internal/cache"
)

// Cache is where completion finds what lists have shown: never a network call.
func (f *Factory) Cache() (cache.Cache, error) {
	paths, err := f.Paths()
	if err != nil {
		return cache.Cache{}, err
	}
	return cache.In(paths.Cache), nil
}
