//go:build race

package change_test

// crashRuns is how often the program is killed under the race detector, for
// time; CI kills it 200 times without.
const crashRuns = 30
