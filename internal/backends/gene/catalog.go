package gene

import "github.com/edrctl/edrctl/internal/backends"

func Catalog() []backends.Operation { return nil }
