//go:build !amd64

package native

func surveyBlocks(b []byte, quotes, odd []uint64) (all, strange uint64) {
	return surveyInGo(b, quotes, odd)
}
