package model_test

import (
	"testing"

	"github.com/edrctl/edrctl/internal/model"
)

func TestAmount(t *testing.T) {
	for want, got := range map[string]string{
		"0 hosts":        model.Amount(0, "host"),
		"1 host":         model.Amount(1, "host"),
		"2 hosts":        model.Amount(2, "host"),
		"1 process":      model.Amount(1, "process", "processes"),
		"5 processes":    model.Amount(5, "process", "processes"),
		"1 is common":    model.Amount(1, "is common", "are common"),
		"3 entries left": model.Amount(3, "entry left", "entries left"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
