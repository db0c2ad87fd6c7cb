//go:build !race

package change_test

// crashRuns is how often the program is killed.
const crashRuns = 200
