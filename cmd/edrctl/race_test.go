//go:build race

package main

// slack multiplies bounds of time: the race detector is slow, and so are the
// machines it runs on.
const slack = 10

// raceBuilt tells whether this is under the race detector, where a start takes
// ten times as long: what only reads is left to CI's run without it.
const raceBuilt = true
