//go:build !unix

package duck

// makeFilesPrivate does nothing on systems where files inherit the rights of their folder.
func makeFilesPrivate() {}
