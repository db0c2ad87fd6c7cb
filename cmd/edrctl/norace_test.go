//go:build !race

package main

// slack multiplies bounds of time, for machines that are busy with others.
const slack = 4

// raceBuilt tells whether this is under the race detector, where a start takes
// ten times as long: what only reads is left to CI's run without it.
const raceBuilt = false
