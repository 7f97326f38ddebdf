package cohort

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
)

// shardCount returns the number of Groups for a cohort. It leaves a quarter of each Group free, so
// that the cohort can grow.
func shardCount(members, groupSize int) int {
	return max(1, (members*4+groupSize*3-1)/(groupSize*3))
}

// shardOf returns the number of the Group of a patient, from 0.
func shardOf(id string, shards int) int {
	sum := sha256.Sum256([]byte(id))
	return int(binary.BigEndian.Uint64(sum[:8]) % uint64(shards))
}

// split divides sorted ids into shards. Each shard is sorted.
func split(ids []string, shards int) [][]string {
	out := make([][]string, shards)
	for _, id := range ids {
		n := shardOf(id, shards)
		out[n] = append(out[n], id)
	}
	return out
}

// digestOf identifies a set of sorted ids.
func digestOf(ids []string) string {
	h := sha256.New()
	for _, id := range ids {
		h.Write([]byte(id))
		h.Write([]byte{'\n'})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// groupID returns the id of a cohort's nth Group, from 0.
func groupID(cohort string, n int) string { return fmt.Sprintf("cohort-%s-%03d", cohort, n+1) }

// identifierOf returns the value of the identifier of a cohort's nth Group, from 0.
func identifierOf(cohort string, n int) string { return fmt.Sprintf("%s/%03d", cohort, n+1) }

// sorted sorts ids and removes repeats, in place.
func sorted(ids []string) []string {
	slices.Sort(ids)
	return slices.Compact(ids)
}

// compare counts the ids that only one of two sorted sets has.
func compare(before, after []string) (joins, leaves int) {
	i, j := 0, 0
	for i < len(before) && j < len(after) {
		switch {
		case before[i] == after[j]:
			i++
			j++
		case before[i] < after[j]:
			leaves++
			i++
		default:
			joins++
			j++
		}
	}
	return joins + len(after) - j, leaves + len(before) - i
}
