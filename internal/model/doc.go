// Package model holds the normalised objects every backend is read into
// (alerts, events, processes, hosts, ...), their closed enumerations, and the
// one rule that turns a vendor's number into score, severity and risk.
//
// The JSON names are the public contract: snake_case, nested names after the
// Elastic Common Schema, absent values omitted. The package imports the
// standard library only.
package model
