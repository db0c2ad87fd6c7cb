// Package release holds the description of a release (.goreleaser.yml) to what
// can be checked without publishing: it is read by goreleaser's own code, its
// packages are built from it by nfpm, which goreleaser uses, installed in an
// empty root and removed again, and two builds of one commit are compared.
//
// It is a module of its own, so that what makes releases is not a dependency of
// the program. Run it with `.ci/run release`.
package release
