//go:build !race

package ops_test

// crashRuns is how often the program is killed.
const crashRuns = 200
