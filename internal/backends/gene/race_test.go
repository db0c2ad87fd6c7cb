//go:build race

package gene_test

// raceDetector makes everything ten times slower: the older versions, which
// run the same code, are then left to the run without it.
const raceDetector = true
