package evidence

func isOCSF(v Value) bool                                { return false }
func decodeOCSF(v Value, o Options) ([]Item, error)      { return nil, nil }
func isOsquery(v Value) bool                             { return false }
func decodeOsquery(v Value, o Options) ([]Item, error)   { return nil, nil }
func isDefender(v Value) bool                            { return false }
func decodeDefender(v Value, o Options) ([]Item, error)  { return nil, nil }
func isForwarder(v Value) bool                           { return false }
func decodeForwarder(v Value, o Options) ([]Item, error) { return nil, nil }

type csvTable struct{}

func (rd *reader) startTable() {}
func (rd *reader) table()      {}
