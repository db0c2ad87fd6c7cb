//go:build race

package conformance

// thin: one filter of so many is tried under the race detector, which takes ten
// times as long; CI tries all of them without it.
const thin = 4
