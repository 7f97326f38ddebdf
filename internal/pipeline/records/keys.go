package records

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"fhirsynapse/internal/fault"
)

// Keys of the journal.
func planKey(plan string) string { return "plans/" + plan }

func exportKey(plan string, n int) string { return fmt.Sprintf("exports/%s/%06d", plan, n) }

func jobKey(job string) string { return "jobs/" + job }

func folderKey(folder string) string { return "folders/" + folder }

func manifestKey(job string) string { return "manifests/" + job }

func rawManifestKey(job string) string { return "manifests/" + job + ".raw" }

func manifestPartKey(job string, n int) string {
	return fmt.Sprintf("manifests/%s.part-%04d", job, n)
}

func freshManifestKey(job string) string { return "manifests/" + job + ".fresh" }

// DeletesKey returns the key of the document of a split file of deletes.
func DeletesKey(job string, n int) string { return fmt.Sprintf("deletes/%s/%06d", job, n) }

func issuesFolder(job string) string { return "issues/" + job + "/" }

func issuesKey(job string, n int) string { return fmt.Sprintf("%s%06d", issuesFolder(job), n) }

func viewSetsKey(plan string) string { return "viewsets/" + plan }

func leaseKey(schema, typ string) string { return "leases/" + schema + "/" + typ }

func tablesKey(schema string) string { return "tables/" + schema }

func exportFolder(plan string) string { return "exports/" + plan + "/" }

// ExportID returns the id of a plan's nth export.
func ExportID(plan string, n int) string { return fmt.Sprintf("%s-%06d", plan, n) }

// JobID returns the id of an export's nth job.
func JobID(export string, n int) string { return fmt.Sprintf("%s.%d", export, n) }

// exportKeyOf returns the journal key of an export id.
func exportKeyOf(id string) (string, error) {
	if plan, n, ok := CutExportID(id); ok {
		return exportKey(plan, n), nil
	}
	return "", fault.BadDataf("%q is no export id: it reads <plan>-<number of six digits>", id)
}

// CutExportID splits an id at its last dash: plan names may have dashes, numbers do not.
func CutExportID(id string) (plan string, n int, ok bool) {
	i := strings.LastIndexByte(id, '-')
	if i < 1 {
		return "", 0, false
	}
	if _, err := fmt.Sscanf(id[i+1:], "%d", &n); err != nil || ExportID(id[:i], n) != id {
		return "", 0, false
	}
	return id[:i], n, true
}

// fetchStamp is the format of a transaction time in the name of a folder, with nanoseconds.
const fetchStamp = "20060102T150405.000000000Z"

// FetchFolder returns the folder that the files of a job are fetched to: the job's id and
// transaction time. Export numbers start again after a journal is lost; the timestamp keeps
// files of an earlier export from being mistaken for new ones.
func FetchFolder(job string, transactionTime time.Time) string {
	if transactionTime.IsZero() {
		return job
	}
	return job + "-" + strings.Replace(transactionTime.UTC().Format(fetchStamp), ".", "", 1)
}

// cutFetchFolder splits the name that FetchFolder made; the time is zero if the name has none.
func cutFetchFolder(folder string) (job string, transactionTime time.Time) {
	i := strings.LastIndexByte(folder, '-')
	const fraction = len("000000000Z")
	if stamp := folder[i+1:]; i > 0 && len(stamp) == len(fetchStamp)-1 {
		t, err := time.Parse(fetchStamp,
			stamp[:len(stamp)-fraction]+"."+stamp[len(stamp)-fraction:])
		if err == nil {
			return folder[:i], t
		}
	}
	return folder, time.Time{}
}

// TransactionTimeOf returns the transaction time in the folder name of a fetched file, for
// lines without a time of their own. The folder may be a copy inside other folders.
func TransactionTimeOf(path string) (t time.Time, ok bool) {
	folders := strings.Split(path, "/")
	for _, folder := range slices.Backward(folders[:len(folders)-1]) {
		if _, t := cutFetchFolder(folder); IsJobFolder(folder) && !t.IsZero() {
			return t, true
		}
	}
	return time.Time{}, false
}

// IsJobFolder reports whether a folder of the landing area was made by FetchFolder.
func IsJobFolder(folder string) bool {
	folder, _ = cutFetchFolder(folder)
	i := strings.LastIndexByte(folder, '.')
	if i < 0 {
		return false
	}
	_, _, ok := CutExportID(folder[:i])
	return ok
}

// Digest returns 24 hexadecimal digits that identify a text. They fit a message id, which has
// at most 128 characters in Service Bus.
func Digest(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:12])
}
