package model

// Record is any normalised object with an origin.
type Record interface{ GetOrigin() *Origin }

// HostOf gives the host inside a record, nil when it has none.
func HostOf(r Record) *Host {
	switch v := r.(type) {
	case *Alert:
		return v.Host
	case *Event:
		return v.Host
	case *Process:
		return v.Host
	case *Report:
		return v.Host
	case *Carve:
		return v.Host
	case *Action:
		return v.Host
	case *Hit:
		return v.Host
	case *SigmaHit:
		return v.Host
	}
	return nil
}

// TimeOf gives the instant a record is ordered by.
func TimeOf(r Record) Time {
	switch v := r.(type) {
	case *Alert:
		return v.Time
	case *Event:
		return v.Time
	case *Process:
		return v.Started
	case *Host:
		return v.LastSeen
	case *Report:
		return v.End
	case *Carve:
		return v.Created
	case *Action:
		return v.RequestedAt
	case *Hit:
		return v.Last
	case *SigmaHit:
		return v.Last
	case *Rule:
		return v.Updated
	}
	return Time{}
}
