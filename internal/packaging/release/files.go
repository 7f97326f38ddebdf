package release

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// sumsFile has the checksums in the form of sha256sum.
const sumsFile = "SHA256SUMS"

// writeArchive writes texts and a program into a tar file, without owners and with one time for
// all, so that equal files give equal bytes.
func writeArchive(out string, texts []string, program string) (err error) {
	// #nosec G302 -- a file for everybody
	file, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	packed := gzip.NewWriter(file)
	archive := tar.NewWriter(packed)
	for _, path := range texts {
		if err := addToArchive(archive, path, 0o644); err != nil {
			return err
		}
	}
	if err := addToArchive(archive, program, 0o755); err != nil {
		return err
	}
	return errors.Join(archive.Close(), packed.Close())
}

func addToArchive(archive *tar.Writer, path string, mode fs.FileMode) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	header := &tar.Header{
		Typeflag: tar.TypeReg, Name: filepath.Base(path), Mode: int64(mode), Size: info.Size(),
		ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = io.Copy(archive, in)
	return err
}

// WriteSums writes the checksums of a folder's files into SHA256SUMS, so that `sha256sum --check
// SHA256SUMS` finds damaged downloads.
func WriteSums(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, e := range entries { // sorted by name
		if !e.Type().IsRegular() || e.Name() == sumsFile || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		sum, err := sumOf(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s  %s\n", sum, e.Name())
	}
	// #nosec G306 -- a file for everybody
	return os.WriteFile(filepath.Join(dir, sumsFile), []byte(text.String()), 0o644)
}

func sumOf(path string) (sum string, err error) {
	in, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
