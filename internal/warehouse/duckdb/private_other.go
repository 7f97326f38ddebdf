//go:build !unix

package duckdb

// makeFilesPrivate does nothing on systems where files inherit the rights of their folder.
func makeFilesPrivate() {}
