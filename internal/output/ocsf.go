package output

import "time"

func ocsfDocument(rec any, now time.Time) (any, bool) { return nil, false }
