//go:build race

package main

// slack multiplies bounds of time: the race detector is slow, and so are the
// machines it runs on.
const slack = 10
