//go:build race

package tui_test

// raced: the race detector is on, and times say nothing.
const raced = true
