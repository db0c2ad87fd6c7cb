//go:build !race

package conformance

// thin: every filter is tried.
const thin = 1
