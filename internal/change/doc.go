// Package change holds everything that changes a backend. There is one path:
// plan (reads only), approve, execute, follow, look up; the audit journal has
// a record of each step. The command line and the TUI share it.
//
// It builds on the fan-out of package ops, which does not know it.
package change
