//go:build !race

package gene_test

const raceDetector = false
