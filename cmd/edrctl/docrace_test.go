//go:build race

package main

func init() { raceBuilt = true }
