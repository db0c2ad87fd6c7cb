package model

import (
	"math"
	"strings"
)

// Scale names the native scale of a backend's scores.
type Scale string

// The scales (docs/formats.md 8).
const (
	ScaleCWatch      Scale = "cwatch 0-10"
	ScaleCarbonBlack Scale = "carbonblack 1-10"
	ScaleGene        Scale = "gene 0-10"
	ScaleESP         Scale = "esp INFO|LOW|WARNING|CRITICAL"
)

// band is one severity's inclusive range on a native scale.
type band struct {
	severity Severity
	lo, hi   float64
}

// The canonical risk range of each severity.
var riskBands = map[Severity]band{
	SeverityInformational: {SeverityInformational, 0, 19},
	SeverityLow:           {SeverityLow, 20, 39},
	SeverityMedium:        {SeverityMedium, 40, 64},
	SeverityHigh:          {SeverityHigh, 65, 84},
	SeverityCritical:      {SeverityCritical, 85, 100},
}

var scoreBands = map[Scale][]band{
	ScaleCWatch:      {{SeverityInformational, 0, 0}, {SeverityLow, 1, 3}, {SeverityMedium, 4, 6}, {SeverityHigh, 7, 8}, {SeverityCritical, 9, 10}},
	ScaleCarbonBlack: {{SeverityInformational, 0, 0}, {SeverityLow, 1, 2}, {SeverityMedium, 3, 5}, {SeverityHigh, 6, 8}, {SeverityCritical, 9, 10}},
	ScaleGene:        {{SeverityInformational, 0, 0}, {SeverityLow, 1, 4}, {SeverityMedium, 5, 7}, {SeverityHigh, 8, 9}, {SeverityCritical, 10, 10}},
}

// Scored is the result of reading a native score.
type Scored struct {
	Score    *float64
	Severity Severity
	Risk     *int
	Native   *NativeScore
}

// Apply puts the score into an alert.
func (s Scored) Apply(a *Alert) {
	a.Score, a.Severity, a.Risk, a.ScoreNative = s.Score, s.Severity, s.Risk, s.Native
}

// Unscored is the result for an alert its backend did not score.
func Unscored() Scored { return Scored{Severity: SeverityUnknown} }

// ScoreNumber reads a number on one of the three numeric scales. The native
// value is kept; the score is clamped to 0-10. A value between two whole
// numbers belongs to the band of the lower one. NaN is unscored.
func ScoreNumber(scale Scale, n float64) Scored {
	if math.IsNaN(n) {
		return Unscored()
	}
	score := min(max(n, 0), 10)
	whole := math.Floor(score)
	for _, b := range scoreBands[scale] {
		if whole < b.lo || whole > b.hi {
			continue
		}
		return Scored{
			Score:    Ptr(score),
			Severity: b.severity,
			Risk:     Ptr(risk(b, score)),
			Native:   &NativeScore{Value: Ptr(n), Scale: string(scale)},
		}
	}
	return Unscored()
}

// risk is linear inside the band; a one-value band takes its upper end, so
// that the vendor's maximum is 100. Halves round to even, as the reference's
// own examples do (the middle of 85-100 is 92).
func risk(b band, score float64) int {
	r := riskBands[b.severity]
	if b.hi == b.lo {
		return int(r.hi)
	}
	v := r.lo + (r.hi-r.lo)*(min(score, b.hi)-b.lo)/(b.hi-b.lo)
	return int(math.RoundToEven(v))
}

// ScoreLabel reads a severity label of ESP. An empty label is unscored; one
// that is not known (drivers pass a JSON null as "NULL") counts as WARNING,
// the default severity of ESP's rules. Risk is the middle of the band.
func ScoreLabel(label string) Scored {
	var score float64
	var sev Severity
	var risk int
	switch strings.ToUpper(strings.TrimSpace(label)) {
	case "":
		return Unscored()
	case "INFO":
		score, sev, risk = 1, SeverityInformational, 10
	case "LOW":
		score, sev, risk = 3, SeverityLow, 30
	case "HIGH":
		score, sev, risk = 8, SeverityHigh, 74
	case "CRITICAL":
		score, sev, risk = 9, SeverityCritical, 92
	default:
		score, sev, risk = 5, SeverityMedium, 52
	}
	return Scored{
		Score: Ptr(score), Severity: sev, Risk: Ptr(risk),
		Native: &NativeScore{Label: label, Scale: string(ScaleESP)},
	}
}
