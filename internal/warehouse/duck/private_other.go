//go:build !unix

package duck

// makeFilesPrivate does nothing where folders pass their rights on to what is in them.
func makeFilesPrivate() {}
