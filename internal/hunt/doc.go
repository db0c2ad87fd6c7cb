// Package hunt asks every selected profile whether it has seen given
// indicators, and runs live queries on hosts. A hunt with a checkpoint can be
// interrupted and resumed.
//
// It builds on the fan-out of package ops, which does not know it.
package hunt
