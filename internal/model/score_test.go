package model

import (
	"math"
	"testing"
)

// The table of docs/formats.md section 8, every whole number of every
// scale, with the risk its formula gives.
func TestScoreNumber(t *testing.T) {
	const inf, low, med, high, crit = SeverityInformational, SeverityLow, SeverityMedium, SeverityHigh, SeverityCritical
	type want struct {
		severity Severity
		risk     int
	}
	for scale, table := range map[Scale][11]want{
		ScaleCWatch: {
			{inf, 19}, {low, 20}, {low, 30}, {low, 39}, {med, 40}, {med, 52}, {med, 64}, {high, 65}, {high, 84}, {crit, 85}, {crit, 100},
		},
		ScaleCarbonBlack: {
			{inf, 19}, {low, 20}, {low, 39}, {med, 40}, {med, 52}, {med, 64}, {high, 65}, {high, 74}, {high, 84}, {crit, 85}, {crit, 100},
		},
		ScaleGene: {
			{inf, 19}, {low, 20}, {low, 26}, {low, 33}, {low, 39}, {med, 40}, {med, 52}, {med, 64}, {high, 65}, {high, 84}, {crit, 100},
		},
	} {
		for n, w := range table {
			got := ScoreNumber(scale, float64(n))
			if got.Severity != w.severity || *got.Risk != w.risk || *got.Score != float64(n) || *got.Native.Value != float64(n) {
				t.Errorf("%s %d: %s, risk %d, score %v; want %s, %d", scale, n, got.Severity, *got.Risk, *got.Score, w.severity, w.risk)
			}
		}
	}
}

func TestScoreNumberBounds(t *testing.T) {
	for _, n := range []float64{-5, -0.1} {
		got := ScoreNumber(ScaleGene, n)
		if *got.Score != 0 || got.Severity != SeverityInformational || *got.Native.Value != n {
			t.Errorf("%v: %+v", n, got)
		}
	}
	for _, n := range []float64{10.4, 821, math.Inf(1)} {
		got := ScoreNumber(ScaleGene, n)
		if *got.Score != 10 || got.Severity != SeverityCritical || *got.Risk != 100 || *got.Native.Value != n {
			t.Errorf("%v: %+v", n, got)
		}
	}
	if got := ScoreNumber(ScaleGene, math.NaN()); got.Score != nil || got.Severity != SeverityUnknown || got.Risk != nil {
		t.Errorf("NaN: %+v", got)
	}
	if got := ScoreNumber(ScaleCWatch, 6.9); got.Severity != SeverityMedium || *got.Risk != 64 || *got.Score != 6.9 {
		t.Errorf("6.9 belongs to the band of 6: %+v", got)
	}
}

func TestScoreLabel(t *testing.T) {
	for label, w := range map[string]struct {
		score    float64
		severity Severity
		risk     int
	}{
		"INFO":     {1, SeverityInformational, 10},
		"LOW":      {3, SeverityLow, 30},
		"WARNING":  {5, SeverityMedium, 52},
		"MEDIUM":   {5, SeverityMedium, 52},
		"NULL":     {5, SeverityMedium, 52},
		"whatever": {5, SeverityMedium, 52},
		"HIGH":     {8, SeverityHigh, 74},
		"CRITICAL": {9, SeverityCritical, 92},
		"critical": {9, SeverityCritical, 92},
	} {
		got := ScoreLabel(label)
		if *got.Score != w.score || got.Severity != w.severity || *got.Risk != w.risk || got.Native.Label != label {
			t.Errorf("%s: %v %s %d", label, *got.Score, got.Severity, *got.Risk)
		}
	}
	if got := ScoreLabel(""); got.Score != nil || got.Severity != SeverityUnknown {
		t.Errorf("an empty label is unscored: %+v", got)
	}
}

// What --score-min 5 means (section 8.1): it never hides a high or critical
// alert of any vendor and never shows an informational or low one.
func TestScoreMinFiveAgreesWithSeverity(t *testing.T) {
	for _, scale := range []Scale{ScaleCWatch, ScaleCarbonBlack, ScaleGene} {
		for n := range 11 {
			s := ScoreNumber(scale, float64(n))
			if s.Severity.Rank() >= SeverityHigh.Rank() && n < 5 || s.Severity.Rank() <= SeverityLow.Rank() && n >= 5 {
				t.Errorf("%s %d is %s", scale, n, s.Severity)
			}
		}
	}
}

// Risk never falls when the score rises.
func TestRiskIsMonotonic(t *testing.T) {
	for _, scale := range []Scale{ScaleCWatch, ScaleCarbonBlack, ScaleGene} {
		last := -1
		for n := 0.0; n <= 10; n += 0.25 {
			r := *ScoreNumber(scale, n).Risk
			if r < last {
				t.Errorf("%s: risk falls from %d to %d at %v", scale, last, r, n)
			}
			last = r
		}
	}
}
