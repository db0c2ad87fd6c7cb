package output

func ecsDocument(rec any) (any, bool) { return nil, false }
