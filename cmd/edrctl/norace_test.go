//go:build !race

package main

// slack multiplies bounds of time, for machines that are busy with others.
const slack = 4
